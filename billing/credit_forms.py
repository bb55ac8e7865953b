"""Forms of operators: a batch of codes, a grant, a decision, a correction. They validate; the verbs act."""

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.names import validate_name
from billing import codes
from billing.grants import MIN_REASON, Order
from billing.models import CodeKind, Grant
from billing.models.codes import MAX_CREDIT_DAYS
from billing.models.credit import REASON_LENGTH
from billing.money import CURRENCY, MAX_NANO, SYMBOL, NotAnAmount, parse_amount

FURTHEST = timedelta(days=3660)


class NanoField(forms.CharField):
    """Plain digits of the console currency, to nano. No sign, exponent, separator or full-width digit."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "placeholder": "5.00"})
        super().__init__(**{"max_length": 20, "widget": widget, "help_text": CURRENCY, **kwargs})

    def clean(self, value: Any) -> int:
        text = super().clean(value).strip().removeprefix(SYMBOL)
        try:
            nano = parse_amount(text)
        except NotAnAmount:
            raise forms.ValidationError(_("Write the amount in digits, like 5.00. Nothing was changed.")) from None
        if not nano:
            raise forms.ValidationError(_("The amount has to be above zero. Nothing was changed."))
        return nano


class LastDayField(forms.DateField):
    """The last day on which something is good, in UTC; its end is what is kept. Empty: without end."""

    def __init__(self, *, now: datetime | None = None, **kwargs: Any) -> None:
        self.now = now
        widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
        super().__init__(**{"required": False, "input_formats": ["%Y-%m-%d"], "widget": widget, **kwargs})

    def clean(self, value: Any) -> datetime | None:
        day: date | None = super().clean(value)
        if day is None:
            return None
        assert self.now is not None
        if not self.now.date() <= day <= (self.now + FURTHEST).date():
            raise forms.ValidationError(_("A day from today on, at most ten years away. Nothing was changed."))
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


class BatchForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=120,
        validators=[validate_name],
        help_text=gettext_lazy("Where the codes go, for example “Conference 2026”. People do not see it."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("What they become"),
        choices=[
            (CodeKind.PROMO.value, gettext_lazy("Promotional credit: given away")),
            (CodeKind.PAID.value, gettext_lazy("Paid credit: the codes are sold for money")),
        ],
        widget=forms.RadioSelect,
        initial=CodeKind.PROMO.value,
    )
    amount = NanoField(label=gettext_lazy("Amount of each redemption"))
    count = forms.IntegerField(label=gettext_lazy("How many codes"), min_value=1, max_value=codes.MAX_COUNT, initial=10)
    uses = forms.IntegerField(
        label=gettext_lazy("People per code"),
        min_value=1,
        max_value=codes.MAX_USES,
        initial=1,
        help_text=gettext_lazy("How many different people may redeem the same code."),
    )
    per_person = forms.IntegerField(
        label=gettext_lazy("Codes per person"),
        min_value=1,
        max_value=codes.MAX_COUNT,
        initial=1,
        help_text=gettext_lazy("How many codes of this batch one person may redeem."),
    )
    expires_at = LastDayField(
        label=gettext_lazy("Last day of the codes"), help_text=gettext_lazy("In UTC; empty: without end.")
    )
    credit_expires_after_days = forms.IntegerField(
        label=gettext_lazy("Days until the credit expires"),
        required=False,
        min_value=1,
        max_value=MAX_CREDIT_DAYS,
        help_text=gettext_lazy("After it was redeemed; only promotional credit. Empty: never."),
    )
    client_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["expires_at"]
        assert isinstance(field, LastDayField)
        field.now = now

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("kind") == CodeKind.PAID and cleaned.get("credit_expires_after_days"):
            self.add_error("credit_expires_after_days", _("Credit that was paid for never expires."))
        if (cleaned.get("per_person") or 0) > (cleaned.get("count") or codes.MAX_COUNT):
            self.add_error("per_person", _("There are fewer codes than that."))
        if not self.errors and self.plan.liability > MAX_NANO:
            raise forms.ValidationError(_("All of it together is more than the ledger can hold. Nothing was made."))
        return cleaned

    @property
    def plan(self) -> codes.Plan:
        return codes.Plan(**{name: value for name, value in self.cleaned_data.items() if name != "client_id"})


class ReasonField(forms.CharField):
    def __init__(self, **kwargs: Any) -> None:
        widget = forms.Textarea(attrs={"rows": 3, "maxlength": REASON_LENGTH})
        least = {"min_length": MIN_REASON, "max_length": REASON_LENGTH, "widget": widget}
        super().__init__(**{**least, "label": gettext_lazy("Reason"), **kwargs})


class GrantForm(forms.Form):
    amount = NanoField(label=gettext_lazy("Amount"))
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"), choices=Grant.Kind.choices, widget=forms.RadioSelect, initial=Grant.Kind.PROMO.value
    )
    credit_expires_at = LastDayField(
        label=gettext_lazy("Last day of the credit"),
        help_text=gettext_lazy("In UTC; only promotional credit. Empty: it does not expire."),
    )
    reason = ReasonField(help_text=gettext_lazy("The person reads it on their statement."))
    client_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["credit_expires_at"]
        assert isinstance(field, LastDayField)
        field.now = now

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("kind") == Grant.Kind.PAID and cleaned.get("credit_expires_at"):
            self.add_error("credit_expires_at", _("Paid credit never expires. Leave the day empty."))
        return cleaned

    @property
    def order(self) -> Order:
        return Order(**self.cleaned_data)


class DecisionForm(forms.Form):
    words = forms.CharField(
        label=gettext_lazy("Note"), required=False, max_length=REASON_LENGTH, widget=forms.Textarea(attrs={"rows": 2})
    )


class CorrectForm(forms.Form):
    reason = ReasonField(help_text=gettext_lazy("The person reads it on their statement."))


class FindForm(forms.Form):
    q = forms.CharField(required=False, max_length=200, label=gettext_lazy("Search"))
