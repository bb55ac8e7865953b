"""The only module that talks to Stripe: through its library, outside of every transaction, answers as plain dicts.

The library is imported with the first call, not at start. Every POST carries an idempotency key of ours, so asking
again is always safe. Errors come in three kinds: StripeDown (ask again), StripeRefused (it will stay no), NotVerified.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.db import connection

from billing.money import CURRENCY, to_cents

if TYPE_CHECKING:
    import stripe

Object = dict[str, Any]
TIMEOUT_S = 10
TOLERANCE_S = 300  # how old a signed event may be
HEADER_BYTES = 2000
OUR_PAYMENT = "console_payment"  # keys of our metadata
OUR_REFUND = "console_refund"
log = structlog.get_logger("billing")


class StripeError(Exception):
    """Stripe did not do it."""


class StripeDown(StripeError):
    """Not reached, or busy, or broken: the outcome is not known. Ask again with the same key."""


class StripeRefused(StripeError):
    """Stripe said no. `code` says why; `intent` is the payment intent that a declined charge left behind."""

    def __init__(self, code: str, *, decline_code: str = "", intent: Object | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.decline_code = decline_code
        self.intent = intent or {}


class NotVerified(Exception):
    """The body was not signed by Stripe with our secret just now, or is not an event."""


def is_on() -> bool:
    return bool(settings.STRIPE_SECRET_KEY and settings.STRIPE_WEBHOOK_SECRET)


def is_live() -> bool:
    """Real money: which mode our key belongs to."""
    return "_live_" in settings.STRIPE_SECRET_KEY


def verified(body: bytes, header: str) -> Object:
    """The event of a webhook. Raises NotVerified."""
    from stripe import SignatureVerificationError, WebhookSignature  # noqa: PLC0415 not at start

    if len(header) > HEADER_BYTES or not header.isascii() or not settings.STRIPE_WEBHOOK_SECRET:
        raise NotVerified("no signature")
    try:
        WebhookSignature.verify_header(body, header, settings.STRIPE_WEBHOOK_SECRET, TOLERANCE_S)
        event = json.loads(body)
    except (SignatureVerificationError, UnicodeDecodeError) as error:
        raise NotVerified("wrong signature") from error
    except (ValueError, RecursionError) as error:
        raise NotVerified("not JSON") from error
    if not isinstance(event, dict) or event.get("object") != "event":
        raise NotVerified("not an event")
    return event


def create_session(  # noqa: PLR0913 each of them ends up in the session
    *,
    payment: str,
    amount: int,
    description: str,
    email: str,
    customer: str,
    saves_card: bool,
    language: str,
    expires_at: int,
    success_url: str,
    cancel_url: str,
) -> Object:
    """A Checkout Session over `amount` nano. With `saves_card` the card may be charged again without its owner."""
    metadata = {OUR_PAYMENT: payment}
    params: stripe.params.checkout.SessionCreateParams = {
        "mode": "payment",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": CURRENCY.lower(),
                    "unit_amount": to_cents(amount),
                    "product_data": {"name": description},
                },
            }
        ],
        "allowed_payment_method_types": ["card"] if saves_card else list(settings.STRIPE_METHODS),
        "adaptive_pricing": {"enabled": False},  # what is charged is what our row says
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata, "description": description},
        "locale": "zh" if language.startswith("zh") else "en",
        "expires_at": expires_at,
        "success_url": success_url,
        "cancel_url": cancel_url,
    }
    if customer:
        params["customer"] = customer
    else:
        params["customer_email"] = email
    if saves_card:
        params["payment_intent_data"]["setup_future_usage"] = "off_session"
        if not customer:
            params["customer_creation"] = "always"
    elif "wechat_pay" in settings.STRIPE_METHODS:
        params["payment_method_options"] = {"wechat_pay": {"client": "web"}}
    return _asked(lambda: _client().v1.checkout.sessions.create(params, {"idempotency_key": f"session:{payment}"}))


def session(session_id: str) -> Object:
    return _asked(lambda: _client().v1.checkout.sessions.retrieve(session_id))


def expire_session(session_id: str) -> Object:
    return _asked(lambda: _client().v1.checkout.sessions.expire(session_id))


def intent(intent_id: str) -> Object:
    """A payment intent with its charge, and the fee of that."""
    params: stripe.params.PaymentIntentRetrieveParams = {"expand": ["latest_charge.balance_transaction"]}
    return _asked(lambda: _client().v1.payment_intents.retrieve(intent_id, params))


def charge_card(*, payment: str, amount: int, description: str, customer: str, card: str) -> Object:
    """Charge a saved card while its owner is away. Raises StripeRefused, with the intent, when it is declined."""
    params: stripe.params.PaymentIntentCreateParams = {
        "amount": to_cents(amount),
        "currency": CURRENCY.lower(),
        "customer": customer,
        "payment_method": card,
        "allowed_payment_method_types": ["card"],
        "off_session": True,
        "confirm": True,
        "description": description,
        "metadata": {OUR_PAYMENT: payment},
    }
    return _asked(lambda: _client().v1.payment_intents.create(params, {"idempotency_key": f"intent:{payment}"}))


def confirm_intent(*, intent_id: str, card: str, return_url: str) -> Object:
    """Try a declined charge again with its owner present; `next_action` says where the bank asks."""
    params: stripe.params.PaymentIntentConfirmParams = {"payment_method": card, "return_url": return_url}
    return _asked(lambda: _client().v1.payment_intents.confirm(intent_id, params))


def cancel_intent(intent_id: str) -> Object:
    return _asked(lambda: _client().v1.payment_intents.cancel(intent_id))


def refund(*, refund: str, intent_id: str, amount: int) -> Object:
    params: stripe.params.RefundCreateParams = {
        "payment_intent": intent_id,
        "amount": to_cents(amount),
        "metadata": {OUR_REFUND: refund},
    }
    return _asked(lambda: _client().v1.refunds.create(params, {"idempotency_key": f"refund:{refund}"}))


def refunds(intent_id: str) -> list[Object]:
    return _listed(_asked(lambda: _client().v1.refunds.list({"payment_intent": intent_id, "limit": 100})))


def disputes(intent_id: str) -> list[Object]:
    return _listed(_asked(lambda: _client().v1.disputes.list({"payment_intent": intent_id, "limit": 100})))


def forget_card(card: str) -> None:
    """The saved card cannot be charged any more. One that is gone already is as good."""
    with suppress(StripeRefused):
        _asked(lambda: _client().v1.payment_methods.detach(card))


@cache
def _made(key: str, base: str) -> "stripe.StripeClient":
    import stripe  # noqa: PLC0415 not at start

    http = stripe.RequestsClient(timeout=TIMEOUT_S)
    addresses: Any = {"api": base} if base else None
    return stripe.StripeClient(key, base_addresses=addresses, http_client=http, max_network_retries=1)


def _client() -> "stripe.StripeClient":
    return _made(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE)


def _asked(call: Callable[[], "stripe.StripeObject"]) -> Object:
    """Raises StripeDown, StripeRefused. Never inside a transaction: Stripe may take seconds."""
    import stripe  # noqa: PLC0415 not at start

    assert not _in_transaction(), "Stripe is asked outside of transactions"
    try:
        return dict(call().to_dict())
    except stripe.CardError as error:
        body = error.error.to_dict() if error.error else {}
        declined = str(body.get("decline_code") or "")
        left = body.get("payment_intent")
        raise StripeRefused(
            str(error.code), decline_code=declined, intent=left if isinstance(left, dict) else None
        ) from error
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise StripeDown(type(error).__name__) from error
    except stripe.StripeError as error:
        status = error.http_status or 0
        log.warning("billing.stripe.refused", code=error.code, status=status, request=error.request_id)
        if status >= 500 or status in {0, 409, 401, 403}:  # noqa: PLR2004 HTTP; a wrong key is ours to mend
            raise StripeDown(type(error).__name__) from error
        raise StripeRefused(str(error.code or type(error).__name__)) from error


def _in_transaction() -> bool:
    """Of our own making; tests wrap everything in one."""
    return connection.in_atomic_block and not all(
        getattr(block, "_from_testcase", False) for block in connection.atomic_blocks
    )


def _listed(answer: Mapping[str, Any]) -> list[Object]:
    return [each for each in answer.get("data", []) if isinstance(each, dict)]
