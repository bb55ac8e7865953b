"""Forms of people and keys. They validate; the verbs save."""

import uuid
from datetime import datetime
from typing import Any

from allauth.account import forms as allauth_forms
from allauth.core import context
from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts import time_zones
from accounts.names import validate_name


class ConfirmCodeForm(allauth_forms.ConfirmEmailVerificationCodeForm):  # type: ignore[misc] # allauth is untyped
    """The code from the mail; the link in the mail opens the page with the code filled in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        code = self.fields["code"]
        code.max_length = 20
        code.initial = context.request.GET.get("code", "")[:20]
        code.widget.attrs |= {
            "inputmode": "numeric",
            "autocomplete": "one-time-code",
            "maxlength": 20,
            "placeholder": "1234-5678",
        }


class KeyForm(forms.Form):
    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        validators=[validate_name],
        help_text=_("Where you will use it, for example “laptop” or “production”."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    # A reload of the answer, or a second click, is not a second key.
    client_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)


class ProfileForm(forms.Form):
    language = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES)
    time_zone = forms.ChoiceField(label=_("Time zone"), required=False)  # not given: as it is

    def __init__(self, *args: Any, now: datetime, time_zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["time_zone"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = time_zones.choices(now, also=time_zone)
        self.initial.setdefault("time_zone", time_zone)
