"""Monthly statements as JSON: the sealed text itself, or the month as it is now."""

import json
from datetime import UTC
from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing import seals
from console.api.views import AccountView


class StatementLine(serializers.Serializer[Any]):
    month = serializers.CharField(source="first", help_text="`2026-11`, a month of UTC.")
    sealed = serializers.BooleanField()
    hash = serializers.CharField(allow_null=True, help_text="The seal: it covers this statement and the one before.")


class Statement(serializers.Serializer[Any]):
    """Opening + movements = closing, for each class of credit. Amounts are whole nano (1e-9 USD) as text."""

    document = serializers.DictField(help_text="What the seal covers, read from its text.")
    text = serializers.CharField(help_text="The document as it was sealed: hash it as it stands.")
    previous_hash = serializers.CharField(allow_null=True)
    hash = serializers.CharField(allow_null=True, help_text="SHA-256 of the previous hash, a line break and the text.")


class StatementListView(AccountView):
    @extend_schema(
        operation_id="statements", responses=inline_serializer("Statements", {"results": StatementLine(many=True)})
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Your months, the latest first. The current one is not sealed yet."""
        sealed = {row.month: row.hash for row in seals.chain(self.person)}
        today = timezone.now().astimezone(UTC).date()
        rows = [
            {"first": f"{month:%Y-%m}", "sealed": month in sealed, "hash": sealed.get(month)}
            for month in seals.months(self.person, today)
        ]
        return Response({"results": StatementLine(rows[::-1], many=True).data})


class StatementView(AccountView):
    @extend_schema(operation_id="statement", responses=Statement)
    def get(self, request: Request, month: str) -> Response:  # noqa: ARG002
        """One month: opening, every movement, closing."""
        first = seals.read_month(month, user=self.person, today=timezone.now().astimezone(UTC).date())
        if first is None:
            raise Http404
        row = seals.chain(self.person).filter(month=first).first()
        text = row.document if row else seals.document(self.person, seals.month_of(user=self.person, first=first))
        found = {
            "document": json.loads(text),
            "text": text,
            "previous_hash": row.previous_hash if row else None,
            "hash": row.hash if row else None,
        }
        return Response(Statement(found).data)
