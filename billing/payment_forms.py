"""Forms about payments, for the buyer and for the desk. They validate; the verbs act."""

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from billing import payments
from billing.money import CENT, SYMBOL, NotAnAmount, format_amount, parse_amount

OTHER = "other"
MAX_DIGITS = 12
REASON_LENGTH = 500


class CentsField(forms.CharField):
    """Plain digits with at most two decimals, to nano. No sign, exponent, separator or full-width digit."""

    default_error_messages = {"invalid": _("Write the amount in digits, like 12.50. Nothing was charged.")}

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "maxlength": MAX_DIGITS})
        super().__init__(**{"widget": widget, **kwargs})

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            nano = parse_amount(text, decimals=2)
        except NotAnAmount as error:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from error
        if nano < CENT:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return nano


class TopUpForm(forms.Form):
    """One of the offered amounts, or another."""

    preset = forms.ChoiceField(label=_("Amount"), widget=forms.RadioSelect)
    amount = CentsField(label=_("Another amount"), required=False)
    # A double click or a reload of the answer is one payment.
    form_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["preset"]
        assert isinstance(field, forms.ChoiceField)
        offered = [(format_amount(nano), _shown(nano)) for nano in payments.presets()]
        field.choices = [*offered, (OTHER, _("Another amount"))]
        field.initial = offered[min(1, len(offered) - 1)][0] if offered else OTHER

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        preset = data.get("preset")
        if preset is None or "amount" in self.errors:
            return data
        chosen = data.get("amount") if preset == OTHER else parse_amount(preset)
        least, most = payments.bounds()
        if chosen is None:
            self.add_error("amount", _("Write how much you want to add. Nothing was charged."))
        elif not least <= chosen <= most:
            words = _("Between %(least)s and %(most)s at a time. Nothing was charged.")
            self.add_error("amount", words % {"least": _shown(least), "most": _shown(most)})
        data["chosen"] = chosen
        return data


class AutoTopUpForm(forms.Form):
    """What may be charged without asking, and the consent to it."""

    threshold = CentsField(label=_("When my balance falls below"), help_text=_("All three in US dollars."))
    amount = CentsField(label=_("Add"))
    cap = CentsField(label=_("But never more in a month than"), help_text=_("Months begin at midnight UTC."))
    consent = forms.BooleanField(
        label=_("I allow this console to charge my saved card whenever these rules say so, until I switch it off."),
        error_messages={"required": _("Without your consent nothing can be charged automatically.")},
    )
    form_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        least, most = payments.bounds()
        amount, cap = data.get("amount"), data.get("cap")
        if amount is not None and not least <= amount <= most:
            words = _("Between %(least)s and %(most)s at a time. Nothing was charged.")
            self.add_error("amount", words % {"least": _shown(least), "most": _shown(most)})
        elif amount is not None and cap is not None and cap < amount:
            self.add_error("cap", _("The monthly limit has to cover one top-up at least."))
        return data


class RefundForm(forms.Form):
    amount = CentsField(label=_("Amount"))
    reason = forms.CharField(
        label=_("Reason"), max_length=REASON_LENGTH, help_text=_("Kept with the refund. The buyer does not read it.")
    )
    client_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)


class PaymentSearch(forms.Form):
    q = forms.CharField(required=False, max_length=120)


def _shown(nano: int) -> str:
    text = format_amount(nano)
    return f"{SYMBOL}{text.removesuffix('.00')}"
