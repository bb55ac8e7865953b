"""Calls as JSON: a page at a time, their sums in groups, and all of them as one file."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import time_zones
from accounts.models import ApiKey, User
from billing import usage_exports, usage_reports, usage_rows
from billing.models import Usage
from billing.periods import UNITS, Span
from billing.usage_exports import Export
from billing.usage_forms import ENDPOINTS, YEARS
from billing.usage_reports import Group
from billing.usage_sums import COLUMNS, Which
from console.api import cursors, shapes
from console.api.views import CURSOR, LIMIT, AccountView

GROUPS = (*UNITS, *COLUMNS)
FILTERS = [
    OpenApiParameter("model", str),
    OpenApiParameter("key", str, description="The id of a key."),
    OpenApiParameter("endpoint", str, enum=ENDPOINTS),
    OpenApiParameter("status", str, enum=Usage.Status.values),
    OpenApiParameter("from", datetime, description="ISO 8601 with time zone; included."),
    OpenApiParameter("to", datetime, description="ISO 8601 with time zone; not included."),
]
PAGE = inline_serializer(
    "UsagePage",
    {
        "results": shapes.Call(many=True),
        "next": serializers.CharField(allow_null=True),
        "time_zone": serializers.CharField(help_text="Of the account: where days, weeks and months begin."),
        "totals": shapes.Sums(allow_null=True, help_text="Of all that is filtered; on the first page only."),
        "group_by": serializers.ChoiceField(
            choices=GROUPS, allow_null=True, help_text="A coarser unit where there would be more than 400 groups."
        ),
        "groups": shapes.SumsGroup(many=True, allow_null=True, help_text="With group_by; they add up to `totals`."),
    },
)


class CsvRenderer(BaseRenderer):
    """Only says that CSV can be asked for; the file is streamed past it. What comes here is an error."""

    media_type = "text/csv"
    format = "csv"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        if renderer_context:
            renderer_context["response"]["Content-Type"] = "application/json"
        return bytes(JSONRenderer().render(data, accepted_media_type, renderer_context))


class UsageListView(AccountView):
    @extend_schema(
        operation_id="usage_list",
        parameters=[CURSOR, LIMIT, *FILTERS, OpenApiParameter("group_by", str, enum=GROUPS)],
        responses=PAGE,
    )
    def get(self, request: Request) -> Response:
        """Your calls, newest first, each with its exact charge; the sums of all that is filtered."""
        now, zone = timezone.now(), time_zones.zone(self.person.time_zone)
        which, by = which_of(request, self.person), _one_of(request, "group_by", GROUPS)
        text = request.query_params.get("cursor", "")
        after = usage_rows.opened(text)
        if text and after is None:
            raise ParseError("This cursor is not one of ours. Start without it.")
        limit = cursors.limit_of(request)
        calls, _newer, older = usage_reports.listed(which, after=after, before=None, limit=limit)
        answer: dict[str, Any] = {"results": shapes.Call(calls, many=True).data, "next": older or None}
        answer |= {"time_zone": zone.key, "totals": None, "group_by": None, "groups": None}
        if after is None:
            summary = usage_reports.summary(which, by=by or "status", zone=zone, now=now)
            answer["totals"] = shapes.Sums(summary.totals).data
            if by:
                answer |= {"group_by": summary.by, "groups": [_group(each) for each in summary.groups]}
        return Response(answer)


class UsageExportView(AccountView):
    renderer_classes = [JSONRenderer, CsvRenderer]

    @extend_schema(
        operation_id="usage_export",
        parameters=FILTERS,
        responses={(200, "application/json"): OpenApiTypes.OBJECT, (200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """All of it as one file, streamed, newest first: `?format=csv` ends with a row TOTAL, `?format=json` is one
        object with `calls` and, at its end, `totals`. Amounts are exact decimal text.
        """
        kind = request.accepted_renderer.format
        which, zone = which_of(request, self.person), time_zones.zone(self.person.time_zone)
        return usage_exports.response(Export(which, zone, kind, timezone.now()))


def which_of(request: Request, person: User) -> Which:
    """Raises ParseError for what cannot be filtered by."""
    query = request.query_params
    start, end = _moment(request, "from"), _moment(request, "to")
    if start and end and start >= end:
        raise ParseError("from must be before to.")
    key = None
    if name := query.get("key", ""):
        key = ApiKey.objects.filter(user=person, public_id=name[:40]).first()
        if key is None:
            raise ParseError("key: there is no such key, or it is not yours.")
    return Which(
        user_id=person.pk,
        span=Span(start, end),
        key_id=key.pk if key else None,
        model=query.get("model", "")[:80],
        endpoint=_one_of(request, "endpoint", ENDPOINTS),
        status=_one_of(request, "status", Usage.Status.values),
    )


def _one_of(request: Request, name: str, choices: tuple[str, ...] | list[str]) -> str:
    value = request.query_params.get(name, "")
    if value and value not in choices:
        raise ParseError(f"{name} is one of: {', '.join(choices)}.")
    return value


def _moment(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name, "")
    if not text:
        return None
    try:
        moment = parse_datetime(text[:40].replace(" ", "+"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment.year not in YEARS:
        raise ParseError(f"{name} must be a moment with its time zone, like 2026-11-22T00:00:00Z.")
    return moment


def _group(group: Group) -> dict[str, Any]:
    return {
        "group": group.value,
        "from": group.start and group.start.isoformat(),
        "to": group.end and group.end.isoformat(),
        **shapes.Sums(group.sums).data,
    }
