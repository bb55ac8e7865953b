"""Spend limits at the gateway: never passed by calls at once, in the caller's shape, anew at the account's midnight."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests import gateway_world as world
from tests.http.gateway.conftest import Person
from tests.http.gateway.test_refusals import refused
from tests.live_gateway import LiveGateway
from tests.provider import Provider

CHAT = "/v1/chat/completions"


def body(prompt: str = "Hello", **more: Any) -> dict[str, Any]:
    return {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": prompt}], **more}


def set_limit(user: int, key: int | None, window: str, amount: int, at: datetime | None = None) -> None:
    from accounts.models import ApiKey, User
    from billing import limits

    person = User.objects.get(pk=user)
    limited = ApiKey.objects.get(pk=key) if key else None
    now = at or datetime.now(UTC)
    limits.set_limit(user=person, key=limited, window=window, amount=amount, actor=person, now=now)


def spent(user: int) -> dict[str, Any]:
    from billing.models import Notice, SpendLimit

    row = SpendLimit.objects.get(user=user)
    told = Notice.objects.filter(user=user).order_by("pk")
    return {"limit": row.amount_nano, "spent": row.spent_nano, "told": [notice.data["percent"] for notice in told]}


def live_in(user: int, zone: str) -> None:
    from accounts.models import User

    User.objects.filter(pk=user).update(time_zone=zone)


def set_clock(moment: datetime | None) -> None:
    """What time it is for those who call; None: as it is."""
    from gateway import edge

    edge.Request.now = lambda _: moment or datetime.now(UTC)  # type: ignore[assignment,method-assign]  # only its clock


@pytest.fixture
def clock(live: LiveGateway) -> Iterator[None]:
    yield
    live.call(set_clock, None)


def cost_of_one(ada: Person, **more: Any) -> int:
    """What is held for such a call."""
    assert ada.post(CHAT, body(**more)).status_code == 200
    return int(ada.rows[-1]["held_nano"])


def test_calls_at_once_never_pass_a_limit(live: LiveGateway, ada: Person, upstream: Provider) -> None:
    slow = upstream.script(before_s=1.0)
    held = cost_of_one(ada, prompt=slow, max_tokens=400)
    before = sum(row["charge_nano"] for row in ada.rows)
    amount = before + 10 * held + held // 2
    live.call(set_limit, ada.user, ada.key_id, "day", amount)
    seen = len(upstream.calls(slow))
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda _: ada.post(CHAT, body(slow, max_tokens=400)), range(30)))
    passed = [answer for answer in answers if answer.status_code == 200]
    for answer in answers:
        if answer.status_code != 200:
            refused(answer, 402, code="spend_limit_reached")
    assert len(passed) == len(upstream.calls(slow)) - seen
    assert 10 <= len(passed) < 30
    charged = sum(row["charge_nano"] for row in ada.rows)
    assert live.call(spent, ada.user)["spent"] == charged <= amount
    assert ada.money["open"] == 0
    assert live.call(world.audit) == {}


def test_an_explicit_limit_that_does_not_fit_is_refused_in_words(live: LiveGateway, ada: Person) -> None:
    held = cost_of_one(ada, max_tokens=400)
    charged = ada.rows[-1]["charge_nano"]
    live.call(set_limit, ada.user, None, "month", charged + held // 2)
    before = ada.money
    message = refused(ada.post(CHAT, body(max_tokens=400)), 402, code="spend_limit_reached")
    assert message.startswith("The monthly spend limit of your account is USD ")
    assert "does not cover the most that this call may cost. It resets at " in message
    assert "raise it at /limits/" in message
    assert ada.money == before
    assert len(ada.rows) == 1


def test_who_names_no_limit_gets_what_still_fits(live: LiveGateway, ada: Person, upstream: Provider) -> None:
    held = cost_of_one(ada, max_tokens=400)
    charged = ada.rows[-1]["charge_nano"]
    live.call(set_limit, ada.user, ada.key_id, "week", charged + held)
    marker = upstream.script()
    assert ada.post(CHAT, body(marker)).status_code == 200
    [seen] = upstream.calls(marker)
    asked = seen.body.get("max_completion_tokens") or seen.body.get("max_tokens")
    assert 0 < asked <= 400
    assert ada.rows[-1]["held_nano"] <= held


def test_another_key_goes_on(live: LiveGateway, ada: Person) -> None:
    live.call(set_limit, ada.user, ada.key_id, "day", 1)
    refused(ada.post(CHAT, body()), 402, code="spend_limit_reached")
    other = live.call(another_key, ada.user)
    answer = httpx.post(
        f"{live.url}{CHAT}", json=body(), headers={"Authorization": f"Bearer {other}"}, timeout=15, trust_env=False
    )
    assert answer.status_code == 200


def another_key(user: int) -> str:
    from accounts import keys
    from accounts.models import User

    return keys.issue(user=User.objects.get(pk=user), name="other")[1]


@pytest.mark.parametrize("more", [{}, {"stream": True}], ids=["whole", "stream"])
def test_anthropic_s_clients_are_told_in_their_shape(live: LiveGateway, ada: Person, more: dict[str, Any]) -> None:
    live.call(set_limit, ada.user, None, "day", 1)
    sent = {**body(), "model": "claude-sonnet-4-5", "max_tokens": 10, **more}
    answer = ada.post("/v1/messages", sent)
    assert "The daily spend limit of your account" in refused(answer, 402, native=True)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.usefixtures("clock")
def test_it_resets_at_midnight_of_the_account_on_a_day_of_23_hours_too(live: LiveGateway, ada: Person) -> None:
    """In Berlin, clocks go forward on 28 March 2027."""
    live.call(live_in, ada.user, "Europe/Berlin")

    def status_at(text: str) -> int:
        live.call(set_clock, datetime.fromisoformat(text).replace(tzinfo=UTC))
        return ada.post(CHAT, body(max_tokens=400)).status_code

    evening = datetime(2027, 3, 27, 22, 30, tzinfo=UTC)
    assert status_at("2027-03-26T12:00") == 200
    live.call(set_limit, ada.user, None, "day", ada.rows[-1]["held_nano"], evening)
    assert live.call(spent, ada.user)["spent"] == 0, "it was the day before"
    assert status_at("2027-03-27T22:30") == 200
    assert status_at("2027-03-27T22:59:59") == 402
    assert status_at("2027-03-27T23:00") == 200
    assert status_at("2027-03-28T21:59:59") == 402
    assert status_at("2027-03-28T22:00") == 200
    assert live.call(world.audit) == {}


def test_the_owner_is_told_once_that_calls_are_refused(live: LiveGateway, ada: Person) -> None:
    held = cost_of_one(ada, max_tokens=400)
    live.call(set_limit, ada.user, None, "day", ada.rows[-1]["charge_nano"] + held)
    passed = 0
    while ada.post(CHAT, body(max_tokens=400)).status_code == 200:
        passed += 1
    for _ in range(3):
        refused(ada.post(CHAT, body(max_tokens=400)), 402, code="spend_limit_reached")
    found = live.call(spent, ada.user)
    assert passed >= 1
    assert found["spent"] <= found["limit"]
    reached = found["spent"] * 100 // found["limit"]
    expected = [percent for percent in (50, 80) if reached >= percent] + ([100] if reached >= 80 else [])
    assert found["told"][-1:] == expected[-1:]
    assert len(found["told"]) == len(set(found["told"]))
