"""Names that people give to their things: any language and emoji, nothing that hides or breaks a line."""

import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

# Cc: control, Cs: half of a character, Co: private use, Zl and Zp: line and paragraph ends
_REFUSED_CATEGORIES = {"Cc", "Cs", "Co", "Zl", "Zp"}
# They turn the text around, or show nothing.
_REFUSED = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def validate_name(text: str) -> None:
    """Raises ValidationError for characters that cannot be seen or that turn the text around."""
    if any(unicodedata.category(letter) in _REFUSED_CATEGORIES or letter in _REFUSED for letter in text):
        raise ValidationError(_("A name cannot contain control or invisible characters."), code="invisible")
    if not any(unicodedata.category(letter)[0] in "LNPS" for letter in text):
        raise ValidationError(_("A name needs at least one visible character."), code="blank")
