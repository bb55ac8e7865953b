"""The form of notices: which kinds somebody wants, and below which balance they are told."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from billing import notices, watches
from billing.models import OPTIONAL_NOTICES, BalanceWatch, NoticeKind
from billing.money import CURRENCY, SYMBOL, NotAnAmount, format_amount, parse_amount

MANDATORY = [kind for kind in NoticeKind if kind not in OPTIONAL_NOTICES]


class NoticesForm(forms.Form):
    """A box for each optional kind; the rest always comes."""

    threshold = forms.CharField(
        label=_("Low balance: tell me below"),
        required=False,
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "placeholder": "5.00"}),
        help_text=_("US dollars; empty: never. You are told again after the balance has been a quarter above it."),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        off = notices.unwanted(user)
        for kind in OPTIONAL_NOTICES:
            if kind != NoticeKind.LOW_BALANCE:  # its threshold says it
                self.fields[kind.value] = forms.BooleanField(
                    label=kind.label, required=False, initial=kind.value not in off
                )
        watch = BalanceWatch.objects.filter(user=user).first()
        self.initial.setdefault("threshold", format_amount(watch.threshold_nano) if watch else "")

    def clean_threshold(self) -> int | None:
        text = self.cleaned_data["threshold"].strip().removeprefix(SYMBOL)
        if not text:
            return None
        try:
            nano = parse_amount(text)
        except NotAnAmount:
            raise forms.ValidationError(_("Write the amount in digits, like 5.00. Nothing was saved.")) from None
        if not 0 < nano <= watches.MAX_THRESHOLD:
            raise forms.ValidationError(
                _("Between 0 and %(most)s %(currency)s. Nothing was saved.")
                % {"most": format_amount(watches.MAX_THRESHOLD), "currency": CURRENCY}
            )
        return nano

    def save(self) -> None:
        wanted = [kind.value for kind in OPTIONAL_NOTICES if self.cleaned_data.get(kind.value)]
        notices.choose(user=self.user, wanted=[NoticeKind.LOW_BALANCE, *wanted])
        watches.watch(user=self.user, threshold=self.cleaned_data["threshold"])
