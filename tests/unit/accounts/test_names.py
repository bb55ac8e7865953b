import pytest
from django.core.exceptions import ValidationError

from accounts.names import validate_name


@pytest.mark.parametrize("name", ["laptop", "生产环境", "<b>bold</b>", "👩🏽‍💻 CI", "=HYPERLINK()", "é", "a'b\"c", "$"])
def test_any_visible_name_is_taken(name: str) -> None:
    validate_name(name)


@pytest.mark.parametrize(
    "name", ["a\0b", "a\nb", "\ud800", "a\u202eb", "\u200f", "\ue000", "a\u2028b", "\x1b[31m", "\u00ad"]
)
def test_what_hides_or_turns_the_text_around_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        validate_name(name)
