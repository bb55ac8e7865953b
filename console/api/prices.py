"""Prices as JSON, for everybody: the public page in figures."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing import price_reports, prices
from billing.models import Price
from billing.money import format_amount
from console.api.fields import MoneyField


class PriceShape(serializers.Serializer[Any]):
    """US dollars per 1,000,000 tokens and per image. A class without a price of its own costs as the broader one."""

    model = serializers.CharField()
    version = serializers.IntegerField(source="pk")
    effective_from = serializers.DateTimeField()
    input = MoneyField()
    cached_input = MoneyField()
    cache_write = MoneyField()
    output = MoneyField()
    reasoning = MoneyField()
    images = serializers.DictField(child=serializers.CharField(), help_text="By `size/quality`; `*` is any.")

    def to_representation(self, instance: Price) -> dict[str, Any]:
        names = {"cached": "cached_input"}
        classes = {names.get(name, name): format_amount(nano) for name, nano in prices.per_mtok(instance).items()}
        return {
            "model": instance.model,
            "version": instance.pk,
            "effective_from": serializers.DateTimeField().to_representation(instance.effective_from),
            **classes,
            "images": {name: format_amount(nano) for name, nano in sorted(instance.image_nano.items())},
        }


class PricesView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="prices",
        auth=[],
        parameters=[OpenApiParameter("model", str, description="The whole history of one model, the latest first.")],
        responses=inline_serializer("Prices", {"results": PriceShape(many=True)}),
    )
    def get(self, request: Request) -> Response:
        """The price in force of every model; with `model` everything it has cost, costs and will cost."""
        now, model = timezone.now(), request.query_params.get("model", "").replace("\0", "")
        if "model" in request.query_params:
            rows = [version.price for version in price_reports.history(model, now=now)]
        else:
            rows = [row.current for row in price_reports.models(now=now) if row.current is not None]
        return Response({"results": PriceShape(rows, many=True).data})
