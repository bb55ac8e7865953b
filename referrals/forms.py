"""Forms of rewards and withdrawals, for the person and for the desk. They validate; the verbs act."""

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.names import validate_name
from billing.money import CENT, NotAnAmount, parse_amount
from referrals import payees, policies
from referrals.models import HoldReason, Policy, Withdrawal

MAX_AMOUNT_DIGITS = 12  # 999,999,999.99


class AmountField(forms.CharField):
    """Plain digits with at most two decimals, to nano. No sign, exponent, separator or full-width digit."""

    default_error_messages = {
        "invalid": _("Write the amount in digits, like 12.50. Nothing was moved."),
        "zero": _("The amount has to be above zero. Nothing was moved."),
    }

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "maxlength": MAX_AMOUNT_DIGITS})
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
            raise forms.ValidationError(self.error_messages["zero"], code="zero")
        return nano


class ConvertForm(forms.Form):
    amount = AmountField(label=_("Amount"))
    # A double click or a reload of the answer is one conversion.
    client_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)


class WithdrawForm(forms.Form):
    amount = AmountField(label=_("Amount"))
    method = forms.ChoiceField(label=_("Paid through"), widget=forms.RadioSelect)
    name = forms.CharField(
        label=_("Name of the account holder"),
        max_length=80,
        validators=[validate_name],
        help_text=_("As it is written at the bank or the payment service."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    account = forms.CharField(
        label=_("Account"),
        max_length=80,
        validators=[validate_name],
        help_text=_("Phone number or e-mail for Alipay, WeChat ID for WeChat Pay, account number for a bank."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    bank = forms.CharField(
        label=_("Bank and branch"),
        max_length=80,
        required=False,
        validators=[validate_name],
        help_text=_("Only for a bank transfer."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    client_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, *args: Any, policy: Policy, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["method"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(method, policies.method_name(method)) for method in policy.payout_methods]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("method") == "bank" and not cleaned.get("bank") and "bank" not in self.errors:
            self.add_error("bank", _("A bank transfer needs the bank and its branch."))
        return cleaned

    @property
    def payee(self) -> payees.Payee:
        cleaned = self.cleaned_data
        payee = {"name": cleaned["name"], "account": cleaned["account"]}
        return {**payee, "bank": cleaned["bank"]} if cleaned["method"] == "bank" else payee


def _reason(**kwargs: Any) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": 2})
    return forms.CharField(**{"label": _("Reason"), "max_length": 500, "widget": widget, **kwargs})


class NothingForm(forms.Form):
    """A step that needs no more than the click."""


class ReasonForm(forms.Form):
    reason = _reason(help_text=_("The person reads it."))


class EvidenceForm(forms.Form):
    reason = _reason(label=_("What the bank said"), help_text=_("Kept in the history."))


class HoldForm(forms.Form):
    reason = forms.ChoiceField(label=_("What the person reads"), choices=HoldReason)
    note = _reason(label=_("Note for colleagues"), required=False)


class ApproveForm(forms.Form):
    amount = AmountField(label=_("Amount"), help_text=_("Less than asked needs a reason."))
    reason = _reason(required=False, label=_("Reason, when it is less"), help_text=_("The person reads it."))
    note = _reason(label=_("What you checked"), help_text=_("Kept in the history, for colleagues."))

    def __init__(self, *args: Any, withdrawal: Withdrawal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.withdrawal = withdrawal

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        amount = cleaned.get("amount")
        if amount is not None and amount < self.withdrawal.amount and not cleaned.get("reason"):
            self.add_error("reason", _("Say why it is less than asked. The person reads it."))
        return cleaned


class PaidForm(forms.Form):
    reference = forms.CharField(
        label=_("Payment reference"),
        max_length=80,
        validators=[validate_name],
        help_text=_("The number of the payment at the bank or the payment service. Each can be used once."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class RevealForm(forms.Form):
    reason = _reason(label=_("Why you need to see it"), help_text=_("Kept in the history with your name."))


class SearchForm(forms.Form):
    q = forms.CharField(
        label=_("Request number or e-mail"),
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "type": "search"}),
    )
