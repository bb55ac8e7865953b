"""The API keys page: a key is shown once, revoked for good, and never anybody else's."""

import uuid
from typing import Any

import pytest
from django.test import Client

from accounts import keys
from accounts.models import ApiKey, User
from tests.make import NOW, PASSWORD, make_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def hers(client: Client, ada: User) -> Client:
    client.post("/accounts/login/", {"login": ada.email, "password": PASSWORD})  # a fresh proof, too
    return client


def create(client: Client, name: str = "laptop", client_id: str = "") -> Any:
    return client.post("/keys/new/", {"name": name, "client_id": client_id or str(uuid.uuid4())})


def test_an_empty_list_says_what_to_do(hers: Client) -> None:
    page = hers.get("/keys/").content.decode()
    assert "No key yet" in page
    assert "/keys/new/" in page


def test_a_new_key_is_shown_once_and_works(hers: Client, ada: User) -> None:
    answer = create(hers)
    plain = answer.context["plain"]
    assert plain in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    found = keys.authenticate(plain)
    assert found is not None
    assert found.user == ada
    assert plain not in hers.get("/keys/").content.decode()
    assert found.hint in hers.get("/keys/").content.decode()


def test_sending_the_form_again_makes_no_second_key(hers: Client) -> None:
    form = str(uuid.uuid4())
    plain = create(hers, client_id=form).context["plain"]
    again = hers.post("/keys/new/", {"name": "laptop", "client_id": form}, follow=True)
    assert plain not in again.content.decode()
    assert ApiKey.objects.count() == 1


def test_a_revoked_key_is_refused_and_stays_in_the_list(hers: Client, ada: User) -> None:
    key, plain = make_key(ada, "old one")
    assert hers.post(f"/keys/{key.public_id}/revoke/")["Location"] == "/keys/"
    assert keys.authenticate(plain) is None
    assert "old one" in hers.get("/keys/").content.decode()
    assert hers.post(f"/keys/{key.public_id}/revoke/").status_code == 302


def test_revoking_takes_a_post(hers: Client, ada: User) -> None:
    key, plain = make_key(ada)
    assert hers.get(f"/keys/{key.public_id}/revoke/").status_code == 200  # asks first
    assert keys.authenticate(plain)


def test_cleo_neither_sees_nor_revokes_ada_s_key(client: Client, ada: User, cleo: User) -> None:
    key, plain = make_key(ada, "secret project")
    client.force_login(cleo)
    assert "secret project" not in client.get("/keys/").content.decode()
    assert client.post(f"/keys/{key.public_id}/revoke/").status_code == 404
    assert keys.authenticate(plain)


def test_the_playground_s_key_is_not_in_the_list(hers: Client, ada: User) -> None:
    keys.playground_key(user=ada)
    assert "No key yet" in hers.get("/keys/").content.decode()


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\x00b", "a\u202eb", "\u200b", "a\nb"])
def test_a_name_that_cannot_be_shown_is_refused(hers: Client, name: str) -> None:
    assert create(hers, name).status_code == 400
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("name", ["<b>bold</b>", "'\"&", "生产环境", "🚀 launch", "=HYPERLINK(1)"])
def test_any_visible_name_is_kept_and_escaped(hers: Client, name: str) -> None:
    assert create(hers, name).status_code == 200
    assert ApiKey.objects.get().name == name
    assert "<b>bold</b>" not in hers.get("/keys/").content.decode()


@pytest.mark.parametrize("client_id", ["", "1", "not-a-uuid", "' OR 1=1"])
def test_a_form_without_its_id_makes_no_key(hers: Client, client_id: str) -> None:
    assert hers.post("/keys/new/", {"name": "x", "client_id": client_id}).status_code == 400
    assert not ApiKey.objects.exists()


def test_the_cap_is_told(hers: Client, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_KEYS_PER_USER", 1)
    make_key(ada)
    answer = create(hers)
    assert answer.status_code == 400
    assert b"as many keys as" in answer.content


def test_a_key_needs_a_fresh_password(client: Client, ada: User) -> None:
    client.force_login(ada)  # a session, but no password typed in it
    assert create(client)["Location"].startswith("/accounts/reauthenticate/")
    assert not ApiKey.objects.exists()


def test_strangers_are_sent_to_sign_in(client: Client) -> None:
    for path in ("/keys/", "/keys/new/"):
        assert client.get(path)["Location"].startswith("/accounts/login/")


def test_the_list_takes_the_same_queries_for_one_key_and_for_many(
    hers: Client, ada: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        make_key(ada, f"key {number}")
    with django_assert_max_num_queries(6):
        hers.get("/keys/")


def test_usable_keys_stand_before_revoked_ones(hers: Client, ada: User) -> None:
    make_key(ada, "still in use")
    gone, _ = make_key(ada, "revoked since")
    keys.revoke(key=gone, by=ada, now=NOW)
    page = hers.get("/keys/").content.decode()
    assert page.index("still in use") < page.index("revoked since")
