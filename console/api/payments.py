"""Payments as JSON: what was bought, how it stands, what went back."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.models import Payment, PaymentRefund
from console.api import cursors
from console.api.fields import MoneyField
from console.api.views import CURSOR, LIMIT, AccountView, paged


class PaymentShape(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id")
    kind = serializers.ChoiceField(choices=Payment.Kind.choices)
    state = serializers.ChoiceField(choices=Payment.State.choices)
    amount = MoneyField(source="amount_nano")
    refunded = MoneyField(source="refunded_nano")
    method = serializers.CharField(help_text="card, alipay or wechat_pay; empty until it is known.")
    receipt_number = serializers.SerializerMethodField(help_text="null until it is paid.")
    created_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)

    def get_receipt_number(self, payment: Payment) -> str | None:
        return payment.number if payment.receipt_number else None


class RefundShape(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id")
    amount = MoneyField(source="amount_nano")
    state = serializers.ChoiceField(choices=PaymentRefund.State.choices)
    created_at = serializers.DateTimeField()


class PaymentWithRefunds(PaymentShape):
    refunds = RefundShape(many=True)


class PaymentListView(AccountView):
    @extend_schema(
        operation_id="payments_list", parameters=[CURSOR, LIMIT], responses=paged("PaymentPage", PaymentShape)
    )
    def get(self, request: Request) -> Response:
        """Your payments, newest first, those that came to nothing too."""
        mine = Payment.objects.filter(user=self.person)
        rows, following = cursors.page(request, mine, order="created_at", tie="pk")
        return Response({"results": PaymentShape(rows, many=True).data, "next": following})


class PaymentView(AccountView):
    @extend_schema(operation_id="payments_read", responses=PaymentWithRefunds)
    def get(self, request: Request, public_id: str) -> Response:  # noqa: ARG002
        """One payment and what went back of it."""
        payment = get_object_or_404(Payment, user=self.person, public_id=public_id)
        refunds = payment.refunds.exclude(state=PaymentRefund.State.REFUSED).order_by("pk")
        return Response({**PaymentShape(payment).data, "refunds": RefundShape(refunds, many=True).data})
