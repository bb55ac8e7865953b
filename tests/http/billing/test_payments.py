"""Adding credit, the pages of payments and their receipts, automatic top-up, and Stripe's door."""

import json
import re
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as configured
from django.core.checks import run_checks
from django.test import Client, override_settings
from django.utils import timezone

from accounts.models import User
from billing import auto_topup, ledger, payment_events
from billing.models import AutoTopUp, Payment, PaymentEvent, PaymentRefund
from billing.money import NANO
from billing.payment_views import EVENT_BYTES
from tests.make import NOW, make_key, make_user
from tests.stripe_stand_in import SECRET_KEY, WEBHOOK_SECRET, Object, StandIn, signed
from tests.stripe_world import TEN, begun, bought, told

pytestmark = pytest.mark.django_db
WEBHOOK = "/billing/stripe/webhook"
SignIn = Callable[[Client, User], None]


@pytest.fixture
def sign_in() -> SignIn:
    """With a password typed just now."""

    def signed_in(client: Client, user: User) -> None:
        client.force_login(user)
        session = client.session
        session["signed_in_at"] = timezone.now().timestamp()
        session.save()

    return signed_in


@pytest.fixture
def olga(db: None) -> User:
    """The operator."""
    olga = make_user("olga", staff=True)
    olga.is_superuser = True
    olga.save()
    return olga


def words(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.content.decode()))


def typed(**changes: str) -> dict[str, str]:
    return {"preset": "10.00", "amount": "", "form_id": str(uuid4()), **changes}


def send(client: Client, event: Object | bytes, **given: Any) -> int:
    body, header = signed(event, **given)
    return client.post(WEBHOOK, body, content_type="application/json", headers={"stripe-signature": header}).status_code


# --- adding credit --------------------------------------------------------------------------------------------------


def test_a_choice_leads_to_stripes_page(client: Client, shop: StandIn, ada: User) -> None:
    client.force_login(ada)
    answer = client.post("/billing/top-up/", typed())
    payment = Payment.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, payment.checkout_url)
    assert (payment.user, payment.amount_nano, payment.state) == (ada, TEN, "open")


def test_a_double_click_is_one_payment(client: Client, shop: StandIn, ada: User) -> None:
    client.force_login(ada)
    form = typed()
    places = {client.post("/billing/top-up/", form)["Location"] for _ in range(2)}
    assert len(places) == 1
    assert Payment.objects.count() == 1


def test_an_amount_of_ones_own(client: Client, shop: StandIn, ada: User) -> None:
    client.force_login(ada)
    assert client.post("/billing/top-up/", typed(preset="other", amount="12.34")).status_code == 303
    assert Payment.objects.get().amount_nano == 12_340_000_000


@pytest.mark.parametrize(
    ("amount", "says"),
    [
        ("", "Write how much"),
        ("0", "in digits"),
        ("-5", "in digits"),
        ("1e3", "in digits"),
        ("12.345", "in digits"),
        ("１２", "in digits"),
        ("4.99", "Between $5 and $1000"),
        ("1000.01", "Between $5 and $1000"),
        ("999999999", "Between $5 and $1000"),
    ],
)
def test_a_wrong_amount_is_told_and_charges_nothing(
    client: Client, shop: StandIn, ada: User, amount: str, says: str
) -> None:
    client.force_login(ada)
    answer = client.post("/billing/top-up/", typed(preset="other", amount=amount))
    assert answer.status_code == 400
    assert says in answer.content.decode()
    assert not Payment.objects.exists()
    assert shop.asked == []


@pytest.mark.parametrize("changes", [{"preset": "77"}, {"preset": ""}, {"form_id": "x"}, {"form_id": ""}])
def test_a_form_that_is_not_ours_starts_nothing(client: Client, shop: StandIn, ada: User, changes: Any) -> None:
    client.force_login(ada)
    assert client.post("/billing/top-up/", typed(**changes)).status_code == 400
    assert not Payment.objects.exists()


def test_a_stripe_that_is_down_is_told(client: Client, shop: StandIn, ada: User) -> None:
    client.force_login(ada)
    shop.is_down = True
    answer = client.post("/billing/top-up/", typed())
    assert answer.status_code == 503
    assert "Nothing was charged; please try again." in answer.content.decode()


def test_the_policy_lets_only_these_pages_lead_to_stripe(client: Client, shop: StandIn, ada: User) -> None:
    client.force_login(ada)
    assert shop.url in client.get("/billing/top-up/")["Content-Security-Policy"]
    assert shop.url not in client.get("/billing/")["Content-Security-Policy"]


def test_without_stripe_the_pages_say_how_credit_comes(client: Client, ada: User) -> None:
    client.force_login(ada)
    for path in ("/billing/top-up/", "/billing/auto-top-up/", "/billing/payments/"):
        assert "Online payment is not set up here" in words(client, path)
    assert client.post("/billing/top-up/", typed()).status_code == 404
    assert client.post("/billing/auto-top-up/", {}).status_code == 404
    assert client.post(WEBHOOK, b"{}", content_type="application/json").status_code == 404
    assert not Payment.objects.exists()


# --- coming back ----------------------------------------------------------------------------------------------------


def test_coming_back_credits_nothing_by_itself(client: Client, shop: StandIn, ada: User) -> None:
    payment = begun(ada)
    client.force_login(ada)
    text = words(client, f"/billing/payments/{payment.public_id}/?from=stripe")
    assert "Waiting for the payment's confirmation" in text.replace("&#x27;", "'")
    assert ledger.balances(ada).paid == 0


def test_coming_back_asks_stripe_and_then_shows_the_receipt(client: Client, shop: StandIn, ada: User) -> None:
    payment = begun(ada)
    assert payment.session_id
    shop.pay(payment.session_id)
    client.force_login(ada)
    text = words(client, f"/billing/payments/{payment.public_id}/?from=stripe")
    assert "Receipt R-000001" in text
    assert ledger.balances(ada).paid == TEN


def test_money_that_comes_later_is_waited_for(client: Client, shop: StandIn, ada: User) -> None:
    payment = begun(ada)
    assert payment.session_id
    told(*shop.pay(payment.session_id, method="wechat_pay", later=True))
    client.force_login(ada)
    assert "Waiting for the payment" in words(client, f"/billing/payments/{payment.public_id}/")


def test_going_back_keeps_the_page_at_stripe(client: Client, shop: StandIn, ada: User) -> None:
    payment = begun(ada)
    client.force_login(ada)
    answer = client.get(f"/billing/payments/{payment.public_id}/?from=cancel").content.decode()
    assert "Not paid yet" in answer
    assert payment.checkout_url in answer


def test_the_receipt_says_everything(client: Client, shop: StandIn, ada: User, settings: Any) -> None:
    settings.SELLER_NAME, settings.SELLER_ADDRESS, settings.SELLER_TAX_ID = "Example Ltd", "1 Road | 100 Town", "X1"
    payment = bought(shop, ada)
    assert payment.intent_id
    told(*shop.refund(payment.intent_id, 250))
    ada.email = "moved@example.com"
    ada.save()
    client.force_login(ada)
    text = words(client, f"/billing/payments/{payment.public_id}/")
    for part in (
        "R-000001",
        "Example Ltd",
        "1 Road",
        "100 Town",
        "Tax number X1",
        "ada@example.com",
        "Visa •••• 4242",
        "$10.00",
        "−$2.50",
        "$7.50",
    ):
        assert part in text
    assert "Refunded in part" in words(client, "/billing/payments/")


def test_a_stranger_sees_nothing_of_it(client: Client, shop: StandIn, ada: User, cleo: User) -> None:
    payment = bought(shop, ada)
    client.force_login(cleo)
    path = f"/billing/payments/{payment.public_id}/"
    assert client.get(path).status_code == 404
    assert client.post(f"{path}confirm/").status_code == 404
    assert payment.public_id not in words(client, "/billing/payments/")
    headers = {"Authorization": f"Bearer {make_key(cleo)[1]}"}
    assert client.get(f"/api/v1/payments/{payment.public_id}/", headers=headers).status_code == 404


def test_the_list_is_short_of_nothing_and_asks_little(
    client: Client, shop: StandIn, ada: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(3):
        bought(shop, ada)
    client.force_login(ada)
    with django_assert_max_num_queries(12):
        text = words(client, "/billing/payments/")
    assert all(f"R-00000{number}" in text for number in (1, 2, 3))


def test_the_api_says_the_same(client: Client, shop: StandIn, ada: User) -> None:
    payment = bought(shop, ada)
    assert payment.intent_id
    told(*shop.refund(payment.intent_id, 250))
    headers = {"Authorization": f"Bearer {make_key(ada)[1]}"}
    [listed] = client.get("/api/v1/payments/", headers=headers).json()["results"]
    assert (listed["amount"], listed["refunded"], listed["state"]) == ("10.00", "2.50", "paid")
    one = client.get(f"/api/v1/payments/{payment.public_id}/", headers=headers).json()
    assert one["refunds"][0]["amount"] == "2.50"
    assert {name: one[name] for name in listed} == listed
    assert "fee" not in json.dumps(one)
    assert payment.intent_id not in json.dumps(one)


# --- Stripe's door --------------------------------------------------------------------------------------------------


def test_a_signed_event_credits_without_a_cookie(client: Client, shop: StandIn, ada: User) -> None:
    payment = begun(ada)
    assert payment.session_id
    strict = Client(enforce_csrf_checks=True)
    for event in shop.pay(payment.session_id):
        body, header = signed(event)
        answer = strict.post(WEBHOOK, body, content_type="application/json", headers={"stripe-signature": header})
        assert (answer.status_code, answer.content, dict(answer.cookies)) == (200, b"", {})
    assert ledger.balances(ada).paid == TEN


def paid_event(shop: StandIn, user: User) -> Object:
    payment = begun(user)
    assert payment.session_id
    return shop.pay(payment.session_id)[-1]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=,v1=",
        "t=1,v1=00",
        "v1=00",
        "t=abc,v1=00",
        "t=" + "9" * 5000 + ",v1=00",
        "t=1795000000,v0=00",
        "é",
        "t=1,v1=é",
        ",,,===",
    ],
)
def test_a_wrong_signature_is_refused(client: Client, shop: StandIn, ada: User, header: str) -> None:
    body, _ = signed(paid_event(shop, ada))
    answer = client.post(WEBHOOK, body, content_type="application/json", headers={"stripe-signature": header})
    assert answer.status_code == 403
    assert not PaymentEvent.objects.exists()


def test_a_signature_must_be_ours_fresh_and_of_this_body(client: Client, shop: StandIn, ada: User) -> None:
    event = paid_event(shop, ada)
    assert send(client, event, secret="whsec_" + "other") == 403
    assert send(client, event, at=int(time.time()) - 301) == 403
    body, header = signed(event)
    tampered = body.replace(b'"amount_total": 1000', b'"amount_total": 9000')
    assert tampered != body
    answer = client.post(WEBHOOK, tampered, content_type="application/json", headers={"stripe-signature": header})
    assert answer.status_code == 403
    assert not PaymentEvent.objects.exists()
    assert ledger.balances(ada).paid == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"5",
        b"\xff\xfe",
        b'{"object": "event"}',
        b'{"object":"event","id":"e","type":"x"}',
        b"[" * 90_000,
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(client: Client, shop: StandIn, body: bytes) -> None:
    assert send(client, body) == 403
    assert not PaymentEvent.objects.exists()


def test_a_huge_body_is_refused_unread(client: Client, shop: StandIn) -> None:
    assert send(client, b"x" * (EVENT_BYTES + 1)) == 413


def test_only_post_is_answered(client: Client, shop: StandIn) -> None:
    assert client.get(WEBHOOK).status_code == 405


def test_unknown_events_are_kept_with_200(client: Client, shop: StandIn) -> None:
    assert send(client, shop.event("customer.created", {"id": "cus_1", "object": "customer"})) == 200
    assert PaymentEvent.objects.get().state == "ignored"


def test_what_could_not_be_applied_is_brought_again(
    client: Client, shop: StandIn, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = paid_event(shop, ada)
    client.raise_request_exception = False
    with monkeypatch.context() as broken:
        broken.setattr(payment_events, "_outcome", lambda *_a: 1 // 0)
        assert send(client, event) == 500
    assert send(client, event) == 200
    assert ledger.balances(ada).paid == TEN


# --- automatic top-up -----------------------------------------------------------------------------------------------


def rules(**changes: str) -> dict[str, str]:
    return {"threshold": "5", "amount": "10", "cap": "50", "consent": "on", "form_id": str(uuid4()), **changes}


def test_agreeing_leads_to_a_payment_that_saves_the_card(
    client: Client, shop: StandIn, ada: User, sign_in: SignIn
) -> None:
    sign_in(client, ada)
    assert client.post("/billing/auto-top-up/", rules()).status_code == 303
    row = AutoTopUp.objects.get()
    assert (row.is_on, row.wants_on, row.amount_nano) == (False, True, TEN)
    payment = Payment.objects.get()
    assert payment.session_id
    assert payment.saves_card
    told(*shop.pay(payment.session_id))
    text = words(client, "/billing/auto-top-up/")
    assert "Visa •••• 4242" in text or "Saved" in text
    assert AutoTopUp.objects.get().is_on


def test_with_a_saved_card_the_rules_hold_at_once(client: Client, shop: StandIn, ada: User, sign_in: SignIn) -> None:
    auto_topup.choose(user=ada, threshold=NANO, amount=TEN, cap=TEN, now=NOW)
    bought(shop, ada, saves_card=True)
    sign_in(client, ada)
    assert client.post("/billing/auto-top-up/", rules(threshold="7")).status_code == 302
    row = AutoTopUp.objects.get()
    assert (row.is_on, row.threshold_nano) == (True, 7 * NANO)
    client.post("/billing/auto-top-up/off/")
    assert not AutoTopUp.objects.get().is_on
    client.post("/billing/auto-top-up/card/forget/")
    assert AutoTopUp.objects.get().card_id == ""


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"consent": ""}, "Without your consent"),
        ({"amount": "1"}, "Between $5 and $1000"),
        ({"cap": "9"}, "has to cover one top-up"),
        ({"threshold": "x"}, "in digits"),
    ],
)
def test_wrong_rules_are_told(
    client: Client, shop: StandIn, ada: User, sign_in: SignIn, changes: Any, says: str
) -> None:
    sign_in(client, ada)
    answer = client.post("/billing/auto-top-up/", rules(**changes))
    assert answer.status_code == 400
    assert says in answer.content.decode()
    assert not AutoTopUp.objects.exists()


def test_charging_a_card_by_rule_needs_a_fresh_password(client: Client, shop: StandIn, ada: User) -> None:
    client.force_login(ada)
    answer = client.post("/billing/auto-top-up/", rules())
    assert "/accounts/reauthenticate/" in answer["Location"]
    assert not AutoTopUp.objects.exists()


def test_the_banks_question_is_one_click_away(client: Client, shop: StandIn, ada: User) -> None:
    from billing import payments

    auto_topup.choose(user=ada, threshold=20 * NANO, amount=TEN, cap=50 * NANO, now=NOW)
    bought(shop, ada, saves_card=True)
    shop.declines = "authentication_required"
    payments.charge_due(now=NOW)
    payment = Payment.objects.get(kind="auto")
    client.force_login(ada)
    path = f"/billing/payments/{payment.public_id}/"
    assert "Your bank wants you to confirm" in words(client, path)
    assert shop.url in client.get(path)["Content-Security-Policy"]
    answer = client.post(f"{path}confirm/")
    assert (answer.status_code, answer["Location"]) == (303, f"{shop.url}/bank/{payment.intent_id}")
    shop.declines = "card_declined"
    answer = client.post(f"{path}confirm/", follow=True)
    assert "The payment failed" in answer.content.decode()


# --- the desk -------------------------------------------------------------------------------------------------------


def test_only_operators_see_the_desk(client: Client, shop: StandIn, ada: User, sam: User, olga: User) -> None:
    payment = bought(shop, ada)
    paths = ["/desk/payments/", f"/desk/payments/{payment.public_id}/"]
    for user, status in ((ada, 404), (sam, 404), (olga, 200)):
        client.force_login(user)
        assert [client.get(path).status_code for path in paths] == [status, status]
    client.force_login(sam)
    assert client.post(f"{paths[1]}refund/", {}).status_code == 404
    assert client.post(f"{paths[1]}look/", {}).status_code == 404


def test_an_operator_refunds(client: Client, shop: StandIn, ada: User, olga: User, sign_in: SignIn) -> None:
    payment = bought(shop, ada)
    sign_in(client, olga)
    path = f"/desk/payments/{payment.public_id}/"
    form = {"amount": "4", "reason": "Asked by mail", "client_id": str(uuid4())}
    answer = client.post(f"{path}refund/", form, follow=True)
    assert "$4.00 goes back to the buyer." in answer.content.decode()
    client.post(f"{path}refund/", form)
    refund = PaymentRefund.objects.get()
    assert (refund.asked_by, refund.reason, refund.state) == (olga, "Asked by mail", "done")
    assert "Asked by mail" not in words_of(client, ada, f"/billing/payments/{payment.public_id}/")


def words_of(client: Client, user: User, path: str) -> str:
    client.force_login(user)
    return words(client, path)


@pytest.mark.parametrize(
    ("form", "status", "says"),
    [
        ({"amount": "10.01", "reason": "x"}, 409, "Only $10.00 of this payment is left"),
        ({"amount": "0", "reason": "x"}, 400, "in digits"),
        ({"amount": "1", "reason": ""}, 400, "This field is required"),
        ({"amount": "0.001", "reason": "x"}, 400, "in digits"),
    ],
)
def test_a_wrong_refund_is_told(
    client: Client, shop: StandIn, ada: User, olga: User, sign_in: SignIn, form: Any, status: int, says: str
) -> None:
    payment = bought(shop, ada)
    sign_in(client, olga)
    answer = client.post(f"/desk/payments/{payment.public_id}/refund/", {"client_id": str(uuid4()), **form})
    assert answer.status_code == status
    assert says in answer.content.decode()
    assert not PaymentRefund.objects.exists()


def test_a_refund_needs_a_fresh_password(client: Client, shop: StandIn, ada: User, olga: User) -> None:
    payment = bought(shop, ada)
    client.force_login(olga)
    form = {"amount": "4", "reason": "x", "client_id": str(uuid4())}
    answer = client.post(f"/desk/payments/{payment.public_id}/refund/", form)
    assert "/accounts/reauthenticate/" in answer["Location"]
    assert not PaymentRefund.objects.exists()


def test_the_desk_finds_by_whole_names(client: Client, shop: StandIn, ada: User, cleo: User, olga: User) -> None:
    payment, other = bought(shop, ada), bought(shop, cleo)
    assert payment.intent_id
    client.force_login(olga)
    for q in ("R-000001", "1", "ADA@example.com", payment.public_id, payment.intent_id, payment.session_id):
        text = words(client, f"/desk/payments/?q={q}")
        assert "ada@example.com" in text
        assert "cleo@example.com" not in text
    assert "Nothing found" in words(client, "/desk/payments/?q=nobody&state=nonsense")
    assert client.get("/desk/payments/?q=a%00b&page=x").status_code == 200
    Payment.objects.filter(pk=other.pk).update(alarm="amount")
    assert "needs a look" in words(client, "/desk/payments/")
    assert "cleo@example.com" in words(client, "/desk/payments/?state=alarm")
    assert "does not match" in words(client, f"/desk/payments/{other.public_id}/")


def test_an_operator_asks_stripe(client: Client, shop: StandIn, ada: User, olga: User) -> None:
    payment = begun(ada)
    assert payment.session_id
    shop.pay(payment.session_id)
    client.force_login(olga)
    client.post(f"/desk/payments/{payment.public_id}/look/")
    assert ledger.balances(ada).paid == TEN


# --- configured wholly or not at all --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, []),
        ({"STRIPE_SECRET_KEY": SECRET_KEY}, ["billing.E004"]),
        ({"STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET}, ["billing.E004"]),
        ({"STRIPE_SECRET_KEY": SECRET_KEY, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET}, []),
        ({"STRIPE_SECRET_KEY": "pk_test_1", "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET}, ["billing.E005"]),
        ({"STRIPE_SECRET_KEY": SECRET_KEY, "STRIPE_WEBHOOK_SECRET": "sk_test_1"}, ["billing.E006"]),
        ({"STRIPE_METHODS": ["card", "cash"]}, ["billing.E007"]),
        ({"STRIPE_METHODS": []}, ["billing.E007"]),
        ({"TOPUP_MIN": 0}, ["billing.E008"]),
        ({"TOPUP_MIN": 50, "TOPUP_MAX": 20}, ["billing.E008", "billing.E009"]),
        ({"TOPUP_PRESETS": ["10", "2.5"]}, ["billing.E009"]),
        ({"TOPUP_PRESETS": ["10", "5000"]}, ["billing.E009"]),
        ({"TOPUP_PRESETS": []}, ["billing.E009"]),
    ],
)
def test_a_wrong_configuration_is_refused(given: dict[str, Any], found: list[str]) -> None:
    if given and not any(name.startswith("STRIPE_") and name != "STRIPE_METHODS" for name in given):
        given = {"STRIPE_SECRET_KEY": SECRET_KEY, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET, **given}
    with override_settings(**given):
        assert [error.id for error in run_checks() if str(error.id).startswith("billing.E00")] == found


@pytest.mark.parametrize("name", ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"])
def test_half_a_configuration_does_not_start(name: str) -> None:
    import os
    import subprocess
    import sys

    environment = {**os.environ, "STRIPE_SECRET_KEY": "", "STRIPE_WEBHOOK_SECRET": "", name: "x" * 8}
    done = subprocess.run(
        [sys.executable, "-c", "import console.settings"],
        env=environment,
        cwd=configured.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Set both, or neither" in done.stderr
