"""The form of a spend limit. It validates; the verb acts."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from billing import limits
from billing.models import SpendLimit
from billing.money import SYMBOL, NotAnAmount, format_amount, parse_amount

MAX_DIGITS = 12
WHOLE = "account"


class LimitForm(forms.Form):
    """`scope`: the whole account, or a key by its public id."""

    scope = forms.ChoiceField(label=_("Applies to"))
    window = forms.ChoiceField(label=_("Period"), choices=SpendLimit.Window.choices)
    amount = forms.CharField(
        label=_("At most, in US dollars"),
        max_length=MAX_DIGITS,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "placeholder": "25.00"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._keys = {key.public_id: key for key in ApiKey.objects.of(user).filter(revoked_at=None).order_by("name")}
        field = self.fields["scope"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [
            (WHOLE, _("The whole account")),
            *((name, f"{key.name} · {key.hint}") for name, key in self._keys.items()),
        ]

    @property
    def key(self) -> ApiKey | None:
        """Of a valid form."""
        return self._keys.get(self.cleaned_data["scope"])

    def clean_amount(self) -> int:
        try:
            amount = parse_amount(self.cleaned_data["amount"], decimals=2)
        except NotAnAmount as error:
            raise forms.ValidationError(_("Write the amount in digits, like 12.50. Nothing was changed.")) from error
        if not 0 < amount <= limits.MAX_LIMIT:
            most = f"{SYMBOL}{format_amount(limits.MAX_LIMIT)}"
            raise forms.ValidationError(
                _("A limit is more than zero and at most %(most)s. Nothing was changed."), params={"most": most}
            )
        return amount
