"""The receipt of a call as JSON: the same facts as its page, from the same place."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing import receipts
from billing.models import AccountKind, Usage
from console.api.fields import MoneyField
from console.api.shapes import Call
from console.api.views import AccountView


class Line(serializers.Serializer[Any]):
    """units x unit_price / per = amount, exactly."""

    name = serializers.CharField(source="code")
    units = serializers.IntegerField()
    unit_price = MoneyField(source="price_nano")
    per = serializers.IntegerField(help_text="1000000 tokens, or 1 image.")
    amount = serializers.CharField(source="exact", help_text="Exact decimal amount in USD: nothing is rounded here.")


class PriceVersion(serializers.Serializer[Any]):
    version = serializers.IntegerField(source="pk")
    effective_from = serializers.DateTimeField()


class ClassOfCredit(serializers.Serializer[Any]):
    name = serializers.CharField(source="kind.value")
    held = MoneyField()
    charged = MoneyField()
    released = MoneyField()
    beyond_hold = MoneyField(source="beyond")


class HoldShape(serializers.Serializer[Any]):
    amount = MoneyField()
    state = serializers.CharField(help_text="open, settled, released or expired.")
    held_at = serializers.DateTimeField(source="created_at")
    ended_at = serializers.DateTimeField(source="closed_at", allow_null=True)


class Posting(serializers.Serializer[Any]):
    posting = serializers.IntegerField(source="txn.pk")
    kind = serializers.CharField(source="txn.kind")
    debit = serializers.CharField()
    credit = serializers.CharField()
    amount = MoneyField()
    at = serializers.DateTimeField(source="txn.effective_at")


class Timing(serializers.Serializer[Any]):
    """Milliseconds from the arrival of the request. null: it never came to that."""

    sent_ms = serializers.IntegerField(allow_null=True, help_text="Until the call went to the provider.")
    first_byte_ms = serializers.IntegerField(allow_null=True)
    total_ms = serializers.IntegerField()


class Receipt(Call):
    client_request_id = serializers.CharField(source="call.client_request_id", help_text="The id that you sent.")
    image_class = serializers.CharField(source="call.image_class")
    settled_at = serializers.DateTimeField(source="call.settled_at")
    late = serializers.BooleanField(source="call.late", help_text="The hold had run out when the call was charged.")
    price = PriceVersion(source="call.price", allow_null=True)
    lines = Line(many=True)
    sum = serializers.CharField(source="exact", help_text="Of the lines, exactly; rounded once it is `cost`.")
    cost = MoneyField(help_text="charge + uncollected.")
    hold = HoldShape(allow_null=True)
    released = MoneyField()
    classes = ClassOfCredit(many=True)
    postings = serializers.SerializerMethodField()
    posted_with = serializers.IntegerField(source="together", help_text="Other calls in the same posting.")
    timing = Timing(source="call")
    in_words = serializers.SerializerMethodField()

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for name in Call().fields.keys():  # noqa: SIM118 its values are typed as its keys; those of a row in the list are facts of the call
            fields[name].source = f"call.{fields[name].source or name}"
        return fields

    @extend_schema_field(Posting(many=True))
    def get_postings(self, receipt: receipts.Receipt) -> Any:
        call = receipt.call
        charged = [(call.txn, kind, AccountKind.REVENUE_API, part) for kind, part in call.parts.items()]
        refunded = [(each.txn, each.debit.kind, each.credit.kind, each.amount) for each in receipt.refunds]
        rows = [
            {"txn": txn, "debit": str(debit), "credit": str(credit), "amount": amount}
            for txn, debit, credit, amount in [*charged, *refunded]
        ]
        return Posting(rows, many=True).data

    def get_in_words(self, receipt: receipts.Receipt) -> str:
        return " ".join(receipt.words)


class ReceiptView(AccountView):
    @extend_schema(operation_id="usage_read", responses=Receipt)
    def get(self, request: Request, request_id: str) -> Response:  # noqa: ARG002
        """One call and what its charge is made of: its receipt."""
        try:
            found = receipts.receipt(user=self.person, request_id=request_id)
        except (Usage.DoesNotExist, ValueError):
            raise Http404 from None
        return Response(Receipt(found).data)
