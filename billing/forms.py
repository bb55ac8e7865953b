"""Forms of the wallet. They validate; the verbs act."""

from django import forms
from django.utils.translation import gettext_lazy as _

MAX_CODE = 80


class RedeemForm(forms.Form):
    code = forms.CharField(
        label=_("Redeem code"),
        max_length=MAX_CODE,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "placeholder": "XXXX-XXXX-XXXX-XXXX",
            }
        ),
    )
