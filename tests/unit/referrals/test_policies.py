"""The rules in force, and the words written from them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import translation

from billing.money import NANO
from referrals import policies
from referrals.models import Policy

pytestmark = pytest.mark.django_db


def second(**changes: object) -> Policy:
    first = Policy.objects.get(version=1)
    first.pk = None
    values = {"version": 2, "effective_from": datetime(2026, 11, 21, 12, tzinfo=UTC), **changes}
    for name, value in values.items():
        setattr(first, name, value)
    first.save(force_insert=True)
    return first


def test_version_one_ships_as_data(now: datetime) -> None:
    policy = policies.in_force(now)
    assert (policy.version, policy.rate_bp, policy.earning_days, policy.holding_days) == (1, 1000, 365, 14)
    assert (policy.cap_per_referee_nano, policy.cap_per_month_nano) == (200 * NANO, 1000 * NANO)
    assert (policy.threshold_nano, policy.fee_nano, policy.second_person_above_nano) == (50 * NANO, 0, 200 * NANO)
    assert policy.payout_methods == ["alipay", "wechat", "bank"]


def test_before_the_first_version_there_is_none() -> None:
    with pytest.raises(policies.NoPolicy):
        policies.in_force(datetime(2025, 12, 31, 23, 59, tzinfo=UTC))


def test_a_version_decides_from_its_moment_on(now: datetime) -> None:
    new = second()
    assert policies.in_force(new.effective_from - timedelta(microseconds=1)).version == 1
    assert policies.in_force(new.effective_from).version == 2


def test_a_change_at_noon_shares_the_day() -> None:
    new = second()
    start, end = datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)
    found = [(each.policy.version, each.start, each.end) for each in policies.reigns(start, end)]
    assert found == [(1, start, new.effective_from), (2, new.effective_from, end)]
    assert [each.policy.version for each in policies.reigns(end, end + timedelta(days=1))] == [2]
    assert policies.reigns(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC)) == []


@pytest.mark.parametrize(
    ("rate_bp", "text"), [(1000, "10 %"), (1250, "12.5 %"), (1, "0.01 %"), (0, "0 %"), (10_000, "100 %")]
)
def test_a_rate_reads_as_percent(rate_bp: int, text: str) -> None:
    assert policies.percent(rate_bp) == text


def test_the_words_follow_the_numbers(now: datetime) -> None:
    text = str(policies.describe(policies.in_force(now)))
    for words in (
        "10 %",
        "365 days",
        "14 days",
        "$200.00 for one person",
        "$1000.00 in one",
        "From $50.00",
        "no fee",
        "Alipay",
    ):
        assert words in text
    changed = second(rate_bp=500, fee_nano=NANO, cap_per_referee_nano=None, cap_per_month_nano=None, holding_days=1)
    text = str(policies.describe(changed))
    for words in ("5 %", "The fee is $1.00", "There is no limit.", "1 day after"):
        assert words in text


def test_a_paused_programme_says_so(now: datetime) -> None:
    assert "paused" in str(policies.describe(second(enabled=False)))


def test_the_words_are_those_of_the_readers_language_at_the_time_of_reading(now: datetime) -> None:
    policy = policies.in_force(now)
    with translation.override("zh-hans"):
        assert "10 %" in str(policies.describe(policy))
