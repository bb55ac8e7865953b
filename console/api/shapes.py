"""What goes in and what comes out: every field by name, nothing by accident."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from billing.models import Usage
from console.api.fields import AmountField, MoneyField, NameField, StrictSerializer, TextField
from referrals.models import Withdrawal


class Person(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id")
    email = serializers.EmailField()
    language = serializers.CharField()
    time_zone = serializers.CharField(help_text="IANA name; where the days of usage begin.")
    joined_at = serializers.DateTimeField()


class Key(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id")
    name = serializers.CharField()
    hint = serializers.CharField(help_text="The public part and the last four characters.")
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class NewKey(Key):
    key = serializers.SerializerMethodField(help_text="The key itself: in this answer and never again.")

    def get_key(self, _key: Any) -> str:
        return str(self.context["plain"])


class KeyInput(StrictSerializer):
    name = NameField()
    client_id = serializers.UUIDField(required=False, help_text="Yours; the same one again makes no second key.")


class Call(serializers.Serializer[Any]):
    id = serializers.CharField(source="request_id")
    model = serializers.CharField()
    endpoint = serializers.CharField()
    key = serializers.CharField(source="key.public_id", help_text="The id of the key.")
    stream = serializers.BooleanField()
    status = serializers.ChoiceField(choices=Usage.Status.choices)
    http_status = serializers.IntegerField()
    error_code = serializers.CharField()
    input_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    cache_write_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField()
    images = serializers.IntegerField()
    counted_by = serializers.ChoiceField(choices=Usage.Source.choices, source="source")
    charge = MoneyField(source="charge_nano")
    refunded = MoneyField(source="refunded_nano")
    uncollected = MoneyField(source="uncollected_nano")
    not_charged_because = serializers.CharField()
    started_at = serializers.DateTimeField()
    first_byte_ms = serializers.IntegerField(allow_null=True)
    total_ms = serializers.IntegerField()


class Sums(serializers.Serializer[Any]):
    calls = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    cache_write_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField()
    images = serializers.IntegerField()
    charge = MoneyField(source="charge_nano")
    promo = MoneyField(source="promo_nano")
    reward = MoneyField(source="reward_nano")
    paid = MoneyField(source="paid_nano")
    uncollected = MoneyField(source="uncollected_nano")
    refunded = MoneyField(source="refunded_nano")


class SumsGroup(Sums):
    group = serializers.CharField(allow_null=True, help_text="The model, key …; null for all that are not listed.")
    to = serializers.DateTimeField(allow_null=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`from` is a word of Python."""
        begins = serializers.DateTimeField(allow_null=True, help_text="Of a group of time.")
        return {**super().get_fields(), "from": begins}


class Balance(serializers.Serializer[Any]):
    currency = serializers.CharField(default="USD")
    spendable = MoneyField(help_text="What a call can use now.")
    held = MoneyField()
    paid = MoneyField()
    promo = MoneyField()
    reward = MoneyField()


class Rewards(serializers.Serializer[Any]):
    """pending + available + in_withdrawal + converted + paid_out - debt = earned."""

    link = serializers.SerializerMethodField()
    code = serializers.SerializerMethodField()
    people = serializers.SerializerMethodField()
    pending = MoneyField()
    available = MoneyField()
    in_withdrawal = MoneyField()
    converted = MoneyField()
    paid_out = MoneyField()
    debt = MoneyField()
    earned = MoneyField()

    def get_code(self, _pools: Any) -> str:
        return str(self.context["code"])

    def get_link(self, _pools: Any) -> str:
        return f"{settings.PUBLIC_URL}/r/{self.context['code']}"

    def get_people(self, _pools: Any) -> int:
        return int(self.context["people"])


class Reward(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id")
    day = serializers.DateField()
    policy = serializers.IntegerField(source="policy_id", help_text="The policy version it was earned under.")
    base = MoneyField(source="base_nano")
    rate_bp = serializers.IntegerField(help_text="Basis points.")
    amount = MoneyField()
    taken_back = MoneyField(source="reversed")
    state = serializers.CharField()
    matures_at = serializers.DateTimeField()


class ConversionInput(StrictSerializer):
    amount = AmountField()
    client_id = serializers.UUIDField(help_text="Yours; the same one again converts nothing more.")


class Conversion(serializers.Serializer[Any]):
    client_id = serializers.CharField()
    amount = MoneyField()


class PayeeInput(StrictSerializer):
    name = NameField()
    account = NameField()
    bank = NameField(required=False, allow_blank=True, default="")


class WithdrawalInput(StrictSerializer):
    amount = AmountField()
    method = TextField(max_length=16)
    payee = PayeeInput()
    client_id = serializers.UUIDField(help_text="Yours; the same one again is the same request.")


class WithdrawalShape(serializers.Serializer[Any]):
    id = serializers.CharField(source="public_id")
    state = serializers.ChoiceField(choices=Withdrawal.State.choices)
    amount = MoneyField()
    approved_amount = serializers.SerializerMethodField()
    fee = MoneyField()
    net = MoneyField()
    method = serializers.CharField()
    payee = serializers.CharField(source="payee_hint", help_text="Masked.")
    reason = serializers.CharField(source="reason_text")
    payment_reference = serializers.CharField()
    requested_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)

    def get_approved_amount(self, withdrawal: Withdrawal) -> str | None:
        return (
            None if withdrawal.approved_amount is None else MoneyField().to_representation(withdrawal.approved_amount)
        )
