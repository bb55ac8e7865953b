"""Strict fields: what comes in is exactly what we take, and an unknown name is an error, not a wish."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.names import validate_name
from billing.money import NotAnAmount, format_amount, parse_amount


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses names it does not know: nobody sets a balance by guessing a field."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else set()
        if unknown:
            raise serializers.ValidationError({name: ["This field is not known here."] for name in sorted(unknown)})
        return super().to_internal_value(data)


class TextField(serializers.CharField):
    """Text only: DRF's own takes numbers and booleans, too."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class NameField(TextField):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 80, "validators": [validate_name], **options})


@extend_schema_field({"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,2})?$", "example": "12.50"})
class AmountField(serializers.Field[int, str, str, Any]):
    """`"12.50"`: plain digits, at most two decimals, in; the exact decimal text out. Nano inside."""

    default_error_messages = {"invalid": 'Write the amount as text in plain digits, like "12.50".'}

    def to_internal_value(self, data: Any) -> int:
        try:
            amount = parse_amount(data if isinstance(data, str) else "", decimals=2)
        except NotAnAmount:
            self.fail("invalid")
        return int(amount)

    def to_representation(self, value: int) -> str:
        return format_amount(value)


class MoneyField(serializers.CharField):
    """Read only: an exact decimal text of the console currency."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"read_only": True, "help_text": "Exact decimal amount in USD, as text.", **options})

    def to_representation(self, value: Any) -> str:
        return format_amount(int(value))
