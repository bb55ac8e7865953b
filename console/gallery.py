"""Examples for the gallery of the design system. None of it is anybody's data."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from billing.money import CENT, NANO
from console.icons import ICONS

CODE = """from openai import OpenAI

client = OpenAI(base_url="https://example.com/v1", api_key=os.environ["QYUAN_API_KEY"])  # two lines
for number in range(3):
    print(number, client.models.list())
"""
# One colour of tokens.css each: `swatch-<name>` in gallery.css paints it.
SWATCHES = (
    *("paper", "surface", "raised", "sunken", "line", "line-strong", "ink", "ink-soft", "ink-faint"),
    *("accent", "accent-strong", "accent-soft", "info", "success", "warning", "danger"),
)
TONES = ("neutral", "accent", "info", "success", "warning", "danger")


class ExampleForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=80, help_text=_("Where you will use it."))
    email = forms.EmailField(label=_("E-mail address"))
    model = forms.ChoiceField(label=_("Model"), choices=[("gpt-5.4-mini", "gpt-5.4-mini"), ("gpt-5.5", "gpt-5.5")])
    note = forms.CharField(label=_("Note"), required=False, widget=forms.Textarea(attrs={"rows": 3}))
    agree = forms.BooleanField(label=_("I have saved the key"))


def context() -> dict[str, Any]:
    wrong = ExampleForm({"wrong-email": "ada at example", "wrong-model": "gpt-5.4-mini"}, prefix="wrong")
    wrong.add_error(None, _("The key was not made. Nothing was charged. Correct the fields below."))
    return {
        "form": ExampleForm(prefix="empty"),
        "wrong": wrong,
        "code": CODE,
        "icons": sorted(ICONS),
        "swatches": SWATCHES,
        "tones": TONES,
        "steps": [
            {"label": _("Requested"), "state": "done"},
            {"label": _("In review"), "state": "current"},
            {"label": _("Approved"), "state": "todo"},
            {"label": _("Paid"), "state": "todo"},
        ],
        "meters": [
            {"tone": "accent", "spent_part": 420, "held_part": 90},
            {"tone": "warning", "spent_part": 830, "held_part": 40},
            {"tone": "danger", "spent_part": 1000, "held_part": 0},
        ],
        "stopped": [
            {"label": _("Requested"), "state": "done"},
            {"label": _("Rejected"), "state": "failed"},
        ],
        "calls": [
            {"at": datetime(2026, 11, 22, 12, minute, tzinfo=UTC), "model": model, "tokens": tokens, "nano": nano}
            for minute, model, tokens, nano in (
                (4, "gpt-5.4-mini", 412, 703_500),
                (9, "claude-sonnet-4-5", 18_204, 61_212_000),
                (31, "gpt-image-2", 0, 42_000_000),
            )
        ],
        "large": 12_345 * NANO + 67 * CENT,
        "tiny": 1_250,
    }
