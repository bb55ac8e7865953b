"""What `./dev bench usage` fills its database with: whole books, so that what it measures is what a page would do."""

import pytest

from bench import usage_seed
from billing import audit, usage_audit
from billing.models import LedgerEntry, Usage, UsageDay
from tests.make import NOW

pytestmark = pytest.mark.django_db


def test_what_is_measured_on_are_whole_books(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_seed, "POOL", 30)
    monkeypatch.setattr(usage_seed, "_tidy", lambda: None)  # no VACUUM within a test's transaction
    for name in ("drop", "restore"):
        monkeypatch.setattr(usage_seed._WithoutIndexes, name, lambda _self: None)
    world = usage_seed.seed(30_000, now=NOW, say=lambda _text: None)
    assert abs(Usage.objects.count() - 30_000) < 5000  # each hour is rounded
    assert Usage.objects.filter(user=world.hot).count() > 20_000
    assert Usage.objects.filter(status=usage_seed.RARE_STATUS).count() == usage_seed.RARE_PER_ACCOUNT
    assert LedgerEntry.objects.filter(txn__kind="usage").exists()
    assert UsageDay.objects.exists()
    assert audit.run({**audit.INVARIANTS, **usage_audit.INVARIANTS}, now=NOW).findings == {}
