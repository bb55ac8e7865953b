"""Django's admin: superusers look at tables; nobody changes money, and no secret is among the columns."""

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.test import Client

from accounts.models import ApiKey, User
from billing import codes
from billing.models import LedgerAccount, LedgerTxn, RedeemCode, Usage
from billing.money import NANO
from console import people
from gateway import channels
from tests.make import NOW, PASSWORD, make_credit, make_key, make_price, make_usage

pytestmark = pytest.mark.django_db
TABLES = [f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry]


@pytest.fixture
def root(client: Client) -> Client:
    user = people.create_person(email="root@example.com", password=PASSWORD, now=NOW, superuser=True, verified=True)
    client.force_login(user)
    return client


@pytest.fixture
def usage(ada: User) -> Usage:
    make_credit(ada, paid=NANO)
    make_price()
    return make_usage(make_key(ada)[0])


def test_strangers_sign_in_at_the_one_door(client: Client) -> None:
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/accounts/login/")
    tried = client.post("/admin/login/", {"username": "root@example.com", "password": PASSWORD})
    assert tried["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("who", ["ada", "sam"])
def test_neither_users_nor_support_find_anything(client: Client, who: str, request: pytest.FixtureRequest) -> None:
    client.force_login(request.getfixturevalue(who))
    for path in ("/admin/", *TABLES):
        assert client.get(path, follow=True).status_code == 404


@pytest.mark.parametrize("path", ["/admin/", *TABLES])
def test_every_table_can_be_looked_at(root: Client, usage: Usage, path: str) -> None:
    assert root.get(path).status_code == 200
    assert root.get(f"{path}?q=x").status_code in {200, 302}


def test_rows_open(root: Client, usage: Usage, ada: User) -> None:
    channels.add_channel(
        name="one",
        protocol="openai",
        base_url="https://upstream.example/v1",
        api_key="sk-very-secret-of-the-provider",
        models=["*"],
        now=NOW,
    )
    for model in admin.site._registry:
        row = model._default_manager.first()
        if row is None:
            continue
        page = root.get(f"/admin/{model._meta.app_label}/{model._meta.model_name}/{row.pk}/change/").content.decode()
        assert "very-secret" not in page
        assert ApiKey.objects.all()[0].digest not in page
        assert ada.password not in page
        assert "api_key_encrypted" not in page


def test_a_forged_form_changes_no_ledger_row(root: Client, usage: Usage) -> None:
    account = LedgerAccount.objects.exclude(owner=None).exclude(credits=0).first()
    assert account
    before = LedgerAccount.objects.filter(pk=account.pk).values().get()
    for kind, row in (("ledgeraccount", account), ("ledgertxn", LedgerTxn.objects.all()[0]), ("usage", usage)):
        path = f"/admin/billing/{kind}/{row.pk}"
        assert root.post(f"{path}/change/", {"credits": 10**18, "kind": "x", "charge_nano": 0}).status_code == 403
        assert root.post(f"{path}/delete/", {"post": "yes"}).status_code == 403
        assert root.post(f"/admin/billing/{kind}/add/", {"credits": 1}).status_code == 403
    assert LedgerAccount.objects.filter(pk=account.pk).values().get() == before


def test_a_code_is_money_and_not_shown(root: Client) -> None:
    code = codes.create(kind="paid", amount=NANO, uses=1, expires_at=None, note="", by=None)
    RedeemCode.objects.filter(pk=code.pk).update(code="WORTHALOT123")
    assert "WORTHALOT" not in root.get("/admin/billing/redeemcode/").content.decode()
    assert "WORTHALOT" not in root.get("/admin/billing/redeemcode/1/change/", follow=True).content.decode()


def test_closing_an_account_is_possible_and_on_record(root: Client, ada: User, client: Client) -> None:
    hers = Client()
    hers.force_login(ada)
    answer = root.post(
        f"/admin/accounts/user/{ada.pk}/change/", {"is_staff": "", "email": "x@y.z", "is_superuser": "on"}
    )
    assert answer.status_code == 302
    ada.refresh_from_db()
    assert (ada.is_active, ada.is_superuser, ada.email) == (False, False, "ada@example.com")
    assert hers.get("/dashboard/").status_code == 302
    assert LogEntry.objects.get().object_id == str(ada.pk)


def test_a_superuser_cannot_change_another(root: Client) -> None:
    other = people.create_person(email="two@example.com", password=PASSWORD, now=NOW, superuser=True, verified=True)
    assert root.post(f"/admin/accounts/user/{other.pk}/change/", {}).status_code == 403
    other.refresh_from_db()
    assert other.is_active


def test_groups_and_addresses_have_no_forms(root: Client) -> None:
    assert root.get("/admin/auth/group/").status_code == 404
    assert root.get("/admin/account/emailaddress/").status_code == 404
