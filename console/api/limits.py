"""Spend limits as JSON, and what a key may still spend."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiKey
from billing import limits
from billing.models import SpendLimit
from console.api.auth import BySession, IsVerified
from console.api.fields import AmountField, MoneyField, StrictSerializer, TextField
from console.api.shapes import Key
from console.api.views import AccountView

MAX_ID = 32


class Limit(serializers.Serializer[Any]):
    """amount = spent + held + left, unless it was lowered below what is spent."""

    id = serializers.CharField(source="public_id")
    scope = serializers.ChoiceField(choices=["account", "key"], help_text="All keys together, or one.")
    key = serializers.SerializerMethodField(help_text="The id of the key; null: the whole account.")
    window = serializers.ChoiceField(choices=SpendLimit.Window.choices)
    amount = MoneyField(source="amount_nano")
    spent = MoneyField(source="spent_nano", help_text="Charged in this period, refunds taken off.")
    held = MoneyField(source="held_nano", help_text="The most that running calls may cost.")
    left = MoneyField(source="left_nano", help_text="What the next call may cost at most.")
    percent = serializers.IntegerField(help_text="Of the amount that is spent, rounded down.")
    period_start = serializers.DateTimeField()
    resets_at = serializers.DateTimeField()
    time_zone = serializers.CharField(source="zone", help_text="In which days, weeks and months begin.")

    def get_key(self, limit: limits.Standing) -> str | None:
        return limit.key_public_id or None


class CurrentKey(Key):
    limits = serializers.SerializerMethodField()

    @extend_schema_field(Limit(many=True))
    def get_limits(self, key: ApiKey) -> Any:
        return Limit(limits.standings(key.user, self.context["now"], key=key), many=True).data


class LimitInput(StrictSerializer):
    key = TextField(required=False, allow_null=True, default=None, max_length=MAX_ID, help_text="null: the account.")
    window = serializers.ChoiceField(choices=SpendLimit.Window.choices)
    amount = AmountField()


class LimitListView(AccountView):
    def get_permissions(self) -> list[Any]:
        return [IsVerified(), *([BySession()] if self.request.method == "POST" else [])]

    @extend_schema(operation_id="limits_list", responses=Limit(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Your spend limits: what is spent, held and left of each, and when it resets."""
        return Response(Limit(limits.standings(self.person, timezone.now()), many=True).data)

    @extend_schema(
        operation_id="limits_set",
        request=LimitInput,
        responses={200: Limit, 403: OpenApiResponse(description="Needs a browser session.")},
    )
    def post(self, request: Request) -> Response:
        """Set one, or another amount for one that is there. By browser session only: a key cannot raise its own."""
        given = LimitInput(data=request.data)
        given.is_valid(raise_exception=True)
        asked, now = given.validated_data, timezone.now()
        key = None
        if asked["key"] is not None:
            key = get_object_or_404(ApiKey.objects.of(self.person).filter(revoked_at=None), public_id=asked["key"])
        try:
            row = limits.set_limit(
                user=self.person, key=key, window=asked["window"], amount=asked["amount"], actor=self.person, now=now
            )
        except limits.CannotSet as error:
            raise serializers.ValidationError({"amount": [str(error)]}) from error
        found = {limit.public_id: limit for limit in limits.standings(self.person, now)}
        return Response(Limit(found[row.public_id]).data)


class LimitView(AccountView):
    def get_permissions(self) -> list[Any]:
        return [IsVerified(), *([BySession()] if self.request.method == "DELETE" else [])]

    @extend_schema(operation_id="limits_remove", responses={204: None})
    def delete(self, request: Request, public_id: str) -> Response:  # noqa: ARG002
        """Remove it. By browser session only."""
        row = get_object_or_404(SpendLimit.objects.select_related("user"), user=self.person, public_id=public_id)
        limits.remove_limit(limit=row, actor=self.person, now=timezone.now())
        return Response(status=204)


class CurrentKeyView(AccountView):
    @extend_schema(
        operation_id="keys_current",
        responses={200: CurrentKey, 403: OpenApiResponse(description="Called with a browser session.")},
    )
    def get(self, request: Request) -> Response:
        """The key that you call with, and every spend limit that it is under: its own and the account's."""
        if not isinstance(request.auth, ApiKey):
            raise PermissionDenied("A browser session has no key of its own; /api/v1/limits/ lists every limit.")
        return Response(CurrentKey(request.auth, context={"now": timezone.now()}).data)
