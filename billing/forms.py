"""Forms of usage and wallet. They validate; the verbs act."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from billing.models import Usage

MAX_CODE = 80
SPANS = {"1": _("Today"), "7": _("7 days"), "30": _("30 days"), "90": _("90 days"), "": _("All time")}


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


class UsageFilter(forms.Form):
    """What of the usage is looked at. Everything stands in the URL; a value that is none shows everything."""

    days = forms.ChoiceField(label=_("Time"), required=False, choices=list(SPANS.items()))
    day = forms.DateField(required=False, widget=forms.HiddenInput, input_formats=["%Y-%m-%d"])
    model = forms.ChoiceField(label=_("Model"), required=False)
    key = forms.ChoiceField(label=_("Key"), required=False)
    status = forms.ChoiceField(label=_("Status"), required=False, choices=[("", _("All")), *Usage.Status.choices])

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        models = Usage.objects.filter(user=user).order_by("model").values_list("model", flat=True).distinct()
        keys = ApiKey.objects.filter(user=user).order_by("name")
        self._choose("model", [("", _("All")), *((name, name) for name in models)])
        self._choose("key", [("", _("All")), *((key.public_id, f"{key.name} · {key.hint}") for key in keys)])

    def _choose(self, name: str, choices: list[tuple[Any, Any]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices
