"""Production refuses to start with a setting that would hurt later."""

import pytest
from pytest_django import Settings

from console import checks

GOOD = {
    "PRODUCTION": True,
    "SECRET_KEY": "a" * 40,
    "KEY_PEPPER": "b" * 40,
    "FIELD_SECRET": "c" * 40,
    "SQLITE": False,
    "SECURE": True,
    "ALLOWED_HOSTS": ["your.host"],
    "DEMO_PROVIDER": False,
}


def found(settings: Settings, **changes: object) -> list[str]:
    for name, value in {**GOOD, **changes}.items():
        setattr(settings, name, value)
    every = [*checks.secrets_are_set_and_distinct(), *checks.production_is_production()]
    return [str(message.id) for message in every]


def test_a_complete_production_has_no_complaint(settings: Settings) -> None:
    assert found(settings) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"SECRET_KEY": "short"}, "console.E001"),
        ({"KEY_PEPPER": "a" * 40}, "console.E002"),
        ({"SQLITE": True}, "console.E003"),
        ({"SECURE": False}, "console.E004"),
        ({"ALLOWED_HOSTS": ["*"]}, "console.E005"),
        ({"DEMO_PROVIDER": True}, "console.E006"),
    ],
)
def test_each_dangerous_setting_is_refused(settings: Settings, changes: dict[str, object], code: str) -> None:
    assert found(settings, **changes) == [code]


def test_the_embedded_profile_is_not_asked(settings: Settings) -> None:
    assert found(settings, PRODUCTION=False, SECRET_KEY="short", SQLITE=True, DEMO_PROVIDER=True) == []
