"""API keys: what is stored, what is recognised without a query, and the cap under parallel requests."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, close_old_connections, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts import keys
from accounts.models import ApiKey, User
from tests.make import NOW, make_key


def test_a_key_is_recognised_by_its_plain_form(ada: User) -> None:
    key, plain = make_key(ada)
    assert keys.authenticate(plain) == key


def test_only_a_digest_of_the_key_is_stored(ada: User) -> None:
    key, plain = make_key(ada)
    secret = plain.split("_")[2]
    row = ApiKey.objects.filter(pk=key.pk).values().get()
    assert not any(secret in str(value) or plain in str(value) for value in row.values())
    assert key.hint == f"qy_{key.public_id}_…{plain[-4:]}"


def test_the_pepper_is_part_of_the_digest(ada: User, settings: Any) -> None:
    _, plain = make_key(ada)
    settings.KEY_PEPPER = "another"
    assert keys.authenticate(plain) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda plain: plain[:-1] + ("0" if plain[-1] != "0" else "1"),
        lambda plain: plain[:20] + ("0" if plain[20] != "0" else "1") + plain[21:],
        lambda plain: plain.upper(),
        lambda plain: plain + "0",
        lambda plain: f"{plain}\n",
        lambda plain: plain[:-1],
        lambda plain: plain.replace("qy_", "sk_"),
        lambda plain: "",
        lambda plain: "é" * 49,
        lambda plain: "qy_" + "٣" * 12 + plain[15:],
        lambda plain: "\ud800",
        lambda plain: "x" * 100_000,
    ],
)
def test_a_mistyped_or_invented_key_costs_no_query(ada: User, spoil: Callable[[str], str]) -> None:
    _, plain = make_key(ada)
    with CaptureQueriesContext(connection) as queries:
        assert keys.authenticate(spoil(plain)) is None
    assert len(queries) == 0


def test_a_good_checksum_with_a_wrong_secret_is_not_enough(ada: User) -> None:
    key, _ = make_key(ada)
    forged = keys._compose(key.public_id, "0" * keys.SECRET_LENGTH)
    assert keys.parse(forged) == key.public_id
    assert keys.authenticate(forged) is None


def test_a_revoked_key_and_the_key_of_a_closed_account_are_refused(ada: User, cleo: User) -> None:
    key, plain = make_key(ada)
    _, hers = make_key(cleo)
    assert keys.revoke(key=key, by=ada, now=NOW)
    assert keys.authenticate(plain) is None
    User.objects.filter(pk=cleo.pk).update(is_active=False)
    assert keys.authenticate(hers) is None


def test_revoking_twice_changes_one_row_once(ada: User) -> None:
    key, _ = make_key(ada)
    other, plain = make_key(ada)
    assert keys.revoke(key=key, by=ada, now=NOW)
    assert not keys.revoke(key=key, by=ada, now=NOW)
    assert keys.authenticate(plain) == other


def test_the_same_form_twice_makes_one_key(ada: User) -> None:
    form = uuid.uuid4()
    key, _ = keys.issue(user=ada, name="laptop", client_id=form)
    with pytest.raises(keys.KeyAlreadyIssued) as again:
        keys.issue(user=ada, name="laptop", client_id=form)
    assert again.value.key == key
    assert ApiKey.objects.of(ada).count() == 1


def test_two_people_may_send_the_same_client_id(ada: User, cleo: User) -> None:
    form = uuid.uuid4()
    keys.issue(user=ada, name="laptop", client_id=form)
    assert keys.issue(user=cleo, name="laptop", client_id=form)[0].user == cleo


def test_revoked_keys_do_not_count_towards_the_cap(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_KEYS_PER_USER", 1)
    key, _ = make_key(ada)
    with pytest.raises(keys.CannotIssueKey):
        make_key(ada)
    keys.revoke(key=key, by=ada, now=NOW)
    make_key(ada)


@pytest.mark.django_db(transaction=True)
def test_the_cap_is_exact_under_parallel_requests(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_KEYS_PER_USER", 5)
    refused: list[Exception] = []

    def issue_one() -> None:
        try:
            keys.issue(user=ada, name="parallel")
        except keys.CannotIssueKey as error:
            refused.append(error)
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=issue_one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert ApiKey.objects.of(ada).count() == 5
    assert len(refused) == 7


def test_the_playground_key_is_rebuilt_not_stored_and_not_listed(ada: User, cleo: User) -> None:
    plain = keys.playground_key(user=ada)
    assert keys.playground_key(user=ada) == plain
    assert keys.playground_key(user=cleo) != plain
    found = keys.authenticate(plain)
    assert found is not None
    assert found.user == ada
    assert found not in ApiKey.objects.of(ada)


def test_the_database_wants_who_and_when_of_a_revocation_together(ada: User) -> None:
    key, _ = make_key(ada)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(revoked_at=NOW)
