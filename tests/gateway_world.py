"""What the gateway's tests do inside the server's process (tests/live_gateway.py): people, channels, rows."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from django.forms.models import model_to_dict


def load_catalogue() -> None:
    from gateway import catalogue

    catalogue.load(data=catalogue.read_file(), now=datetime.now(UTC))


def add_channel(name: str, protocol: str, base_url: str, models: list[str], priority: int = 0, key: str = "") -> None:
    from gateway import channels

    channels.add_channel(
        name=name,
        protocol=protocol,
        base_url=base_url,
        api_key=key or f"sk-upstream-{name}-secret",
        models=models,
        now=datetime.now(UTC),
        priority=priority,
    )


def demo_channels(url: str) -> None:
    from gateway import demo

    add_channel("demo-openai", "openai", f"{url}/demo-provider/v1", ["*"], key=demo.key())
    add_channel("demo-anthropic", "anthropic", f"{url}/demo-provider", ["*"], key=demo.key())


def new_person(credit: str) -> dict[str, Any]:
    from accounts import keys
    from billing import ledger
    from billing.money import parse_amount
    from console import people

    now = datetime.now(UTC)
    email = f"ada-{secrets.token_hex(6)}@example.com"
    user = people.create_person(email=email, password=None, now=now, verified=True)
    if credit != "0":
        ledger.grant(user=user, amount=parse_amount(credit), kind="paid", reason="test", actor=None, now=now)
    key, plain = keys.issue(user=user, name="test")
    return {"user": user.pk, "key": plain, "key_id": key.pk, "email": email}


def revoke(key_id: int) -> None:
    from accounts import keys
    from accounts.models import ApiKey

    key = ApiKey.objects.select_related("user").get(pk=key_id)
    keys.revoke(key=key, by=key.user, now=datetime.now(UTC))


def usage(request_id: str) -> dict[str, Any] | None:
    from billing.models import Usage

    row = Usage.objects.filter(pk=request_id).first()
    return None if row is None else {**model_to_dict(row), "request_id": row.pk}


def usage_of(user: int) -> list[dict[str, Any]]:
    from billing.models import Usage

    return [model_to_dict(row) for row in Usage.objects.filter(user_id=user).order_by("started_at")]


def money_of(user: int) -> dict[str, int]:
    """spendable, held, and how many holds are open."""
    from accounts.models import User
    from billing import ledger
    from billing.models import Hold

    balances = ledger.balances(User(pk=user))
    opened = Hold.objects.filter(user_id=user, state=Hold.State.OPEN).count()
    return {"spendable": balances.spendable, "held": balances.held, "open": opened}


def context_of_hold(user: int) -> dict[str, Any]:
    from billing.models import Hold

    hold = Hold.objects.filter(user_id=user).latest("created_at")
    return {**hold.context, "key_id": hold.key_id}


def last_used(key_id: int) -> datetime | None:
    from accounts.models import ApiKey

    return ApiKey.objects.get(pk=key_id).last_used_at


def audit() -> dict[str, Any]:
    from billing import audit as books

    return dict(books.run(books.INVARIANTS, now=datetime.now(UTC)).findings)


def add_model(name: str, family: str, endpoints: list[str]) -> None:
    """One more model, as an operator would add it: by a file."""
    from gateway import catalogue

    price = {"input": "1.00", "output": "10.00"}
    entry = {"name": name, "family": family, "endpoints": endpoints, "owned_by": "tests", "price": price}
    catalogue.load(data={"models": [entry]}, now=datetime.now(UTC))


def set_price(model: str, in_s: float, dollars: int) -> int:
    """What an output token costs `in_s` seconds from now, per million; the rest is free."""
    from billing import prices
    from billing.money import NANO

    at = datetime.now(UTC) + timedelta(seconds=in_s)
    return prices.set_price(model=model, effective_from=at, output_nano_per_mtok=dollars * NANO).pk


def drop_connections() -> None:
    """PostgreSQL ends every other connection of this database, as a restart would."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid()"
        )


def slow_settling(*, wait_s: float, takes_s: float) -> None:
    """From now on the database takes its time over a charge, and an answer waits for it so long."""
    import time

    from billing import charges
    from gateway import relay

    settle_many = _USUAL.setdefault("settle_many", charges.settle_many)

    def slowly(*args: Any, **kwargs: Any) -> Any:
        time.sleep(takes_s)
        return settle_many(*args, **kwargs)

    relay.SETTLE_WAIT_S = wait_s
    charges.settle_many = slowly if takes_s else settle_many


def check_keys_every(seconds: float, *, grace_s: float, cache_s: float) -> None:
    """How soon a running stream notices that its key was revoked, and how long it may go on then."""
    from gateway import auth, relay

    auth.CACHE_S = cache_s
    relay.KEY_CHECK_S, relay.REVOKED_GRACE_S = seconds, grace_s


_USUAL: dict[str, Any] = {}
