"""The form of a new price. It validates; billing/prices.py acts."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.models import Price
from billing.money import NotAnAmount, format_amount, parse_amount
from billing.prices import MAX_PRICE

FURTHEST = timedelta(days=366)
MOST_IMAGES = 40
_IMAGE_CLASS = re.compile(r"([0-9]{2,5}x[0-9]{2,5}|auto|\*)(/([a-z]{1,12}|\*))?", re.ASCII)


class PriceField(forms.CharField):
    """US dollars as plain decimal text, kept as nano; empty is None."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"inputmode": "decimal", "autocomplete": "off", "class": "input num"}
        super().__init__(max_length=20, widget=forms.TextInput(attrs=attrs), **kwargs)

    def clean(self, value: Any) -> int | None:
        text = super().clean(value).strip()
        return _nano(text) if text else None


class PriceForm(forms.Form):
    """Prices per 1,000,000 tokens and per image, from now on or from a moment that is to come."""

    input_nano_per_mtok = PriceField(label=gettext_lazy("Input"), required=False)
    cached_input_nano_per_mtok = PriceField(label=gettext_lazy("Cached input"), required=False)
    cache_write_nano_per_mtok = PriceField(label=gettext_lazy("Cache write"), required=False)
    output_nano_per_mtok = PriceField(label=gettext_lazy("Output"), required=False)
    reasoning_nano_per_mtok = PriceField(label=gettext_lazy("Reasoning"), required=False)
    images = forms.CharField(
        label=gettext_lazy("Per image"),
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 4, "class": "input mono", "spellcheck": "false"}),
        help_text=gettext_lazy("One line for each size and quality, such as “1024x1024/high 0.167”. * is any."),
    )
    starts = forms.ChoiceField(
        label=gettext_lazy("In force"),
        choices=[("now", gettext_lazy("From now on")), ("at", gettext_lazy("From a moment that is to come"))],
        widget=forms.RadioSelect,
        initial="now",
    )
    at = forms.DateTimeField(
        label=gettext_lazy("Moment (UTC)"),
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local", "class": "input"}),
    )
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)  # the latest version when the form was shown
    shown = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)  # what the preview was of

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        typed = str(self["images"].value() or "")
        self.fields["images"].widget.attrs["rows"] = min(max(typed.count("\n") + 2, 4), 16)

    def clean_images(self) -> dict[str, int]:
        lines = [line.split() for line in self.cleaned_data["images"].splitlines() if line.strip()]
        pair = 2  # size and quality, price
        if len(lines) > MOST_IMAGES:
            raise forms.ValidationError(_("At most %(most)s lines.") % {"most": MOST_IMAGES})
        found: dict[str, int] = {}
        for words in lines:
            if len(words) != pair or not _IMAGE_CLASS.fullmatch(words[0]) or words[0] in found:
                raise forms.ValidationError(
                    _("“%(line)s” is not a size and quality with one price, such as “1024x1024/high 0.167”.")
                    % {"line": " ".join(words)[:60]}
                )
            found[words[0]] = _nano(words[1])
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        at = cleaned.get("at")
        if cleaned.get("starts") == "at" and "at" not in self.errors:
            if at is None:
                self.add_error("at", _("Say from when."))
            elif not self.now < at.replace(tzinfo=UTC) <= self.now + FURTHEST:
                self.add_error(
                    "at", _("This moment has passed or is more than a year away. The past keeps its prices.")
                )
        if not self.errors and not any(value for name, value in self.given.items()):
            raise forms.ValidationError(_("A price needs at least one amount above zero."))
        return cleaned

    @property
    def given(self) -> dict[str, Any]:
        """The fields of a Price; what may not be empty is 0."""
        values = {name: value for name, value in self.cleaned_data.items() if name.endswith("_per_mtok")}
        for name in ("input_nano_per_mtok", "output_nano_per_mtok"):
            values[name] = values.get(name) or 0
        return {**values, "image_nano": self.cleaned_data.get("images", {})}

    @property
    def digest(self) -> str:
        """Of all that would be set: only what was shown is."""
        when = self.effective_from.isoformat() if self.cleaned_data["starts"] == "at" else "now"
        given = sorted((name, value) for name, value in self.given.items() if name != "image_nano")
        images = sorted(self.given["image_nano"].items())
        return hashlib.sha256(repr((when, given, images)).encode()).hexdigest()

    @property
    def effective_from(self) -> datetime:
        at: datetime | None = self.cleaned_data.get("at")
        return at.replace(tzinfo=UTC) if at is not None and self.cleaned_data["starts"] == "at" else self.now


def initial(price: Price | None) -> dict[str, Any]:
    """The form as the price in force would have been typed."""
    if price is None:
        return {}
    names = [name for name in PriceForm.base_fields if name.endswith("_per_mtok")]
    typed = {name: format_amount(nano) for name in names if (nano := getattr(price, name)) is not None}
    lines = [f"{name} {format_amount(nano)}" for name, nano in sorted(price.image_nano.items())]
    return {**typed, "images": "\n".join(lines)}


def _nano(text: str) -> int:
    try:
        nano = parse_amount(text)
    except NotAnAmount:
        raise forms.ValidationError(_("“%(text)s” is not an amount such as 1.25.") % {"text": text[:30]}) from None
    if nano > MAX_PRICE:
        raise forms.ValidationError(_("At most %(most)s.") % {"most": format_amount(MAX_PRICE)})
    return nano
