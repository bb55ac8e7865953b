"""A clean cache for every test: tries at codes are counted in it, and people of two tests may have one number."""

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _nothing_counted_yet() -> None:
    cache.clear()
