"""A small Stripe on loopback: sessions, intents, refunds, disputes, idempotency keys, events in Stripe's own signature.

The product's real library talks to it (`STRIPE_API_BASE`). What a payer, a bank or the dashboard does are methods; each
returns the events that Stripe would send for it, in its order.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen

import stripe

Object = dict[str, Any]
SECRET_KEY = "sk_test_" + "standin"
WEBHOOK_SECRET = "whsec_" + "standin"
FEE = 59  # cents of every charge
DISPUTE_FEE = 1500


class StandIn:
    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.asked: list[tuple[str, str, Object]] = []  # method, path, parameters
        self.is_down = False
        self.breaks_after = ""  # does the POST on this path, then loses the answer, once
        self.declines: str = ""  # a decline code for every charge of a saved card
        self.settles_in = "usd"
        self.currency_lie = ""
        self.webhook_url = ""  # where a browser's payment is told
        self._known: dict[str, tuple[Object, int, Object]] = {}
        self._numbers = count(1)
        self._lock = threading.RLock()

    # --- what people and banks do ----------------------------------------------------------------------------------

    def pay(self, session_id: str, *, method: str = "card", later: bool = False) -> list[Object]:
        """A payer finishes the page. `later`: the money is confirmed by `confirm` or `fail`."""
        session = self.objects[session_id]
        intent = self._intent(session["amount_total"], session["metadata"], method)
        session |= {"status": "complete", "payment_intent": intent["id"], "url": None}
        if session["saves"]:
            session["customer"] = intent["customer"] = session["customer"] or self._id("cus")
        if later:
            intent["status"] = "processing"
            session["payment_status"] = "unpaid"
            return [self.event("payment_intent.processing", intent), self.event("checkout.session.completed", session)]
        session["payment_status"] = "paid"
        return [*self._charged(intent, method), self.event("checkout.session.completed", session)]

    def confirm(self, session_id: str) -> list[Object]:
        session = self.objects[session_id]
        session["payment_status"] = "paid"
        intent = self.objects[session["payment_intent"]]
        events = self._charged(intent, intent["method"])
        return [*events, self.event("checkout.session.async_payment_succeeded", session)]

    def fail(self, session_id: str) -> list[Object]:
        session = self.objects[session_id]
        intent = self.objects[session["payment_intent"]]
        intent |= {
            "status": "requires_payment_method",
            "last_payment_error": {"code": "payment_intent_payment_attempt_failed"},
        }
        return [
            self.event("payment_intent.payment_failed", intent),
            self.event("checkout.session.async_payment_failed", session),
        ]

    def expire(self, session_id: str) -> list[Object]:
        session = self.objects[session_id]
        session |= {"status": "expired", "url": None}
        return [self.event("checkout.session.expired", session)]

    def refund(
        self, intent_id: str, cents: int, *, status: str = "succeeded", metadata: Object | None = None
    ) -> list[Object]:
        charge = self.objects[self.objects[intent_id]["latest_charge"]]
        made = {
            "id": self._id("re"),
            "object": "refund",
            "amount": cents,
            "currency": "usd",
            "status": status,
            "payment_intent": intent_id,
            "charge": charge["id"],
            "reason": "requested_by_customer",
            "metadata": metadata or {},
        }
        self.objects[made["id"]] = made
        charge["amount_refunded"] += cents
        return [self.event("refund.created", made), self.event("charge.refunded", charge)]

    def fail_refund(self, refund_id: str) -> list[Object]:
        made = self.objects[refund_id]
        made |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
        self.objects[made["charge"]]["amount_refunded"] -= made["amount"]
        return [self.event("refund.updated", made), self.event("refund.failed", made)]

    def dispute(self, intent_id: str, cents: int, *, status: str = "needs_response") -> list[Object]:
        intent = self.objects[intent_id]
        self.objects[intent["latest_charge"]]["disputed"] = True
        made: Object = {
            "id": self._id("dp"),
            "object": "dispute",
            "amount": cents,
            "currency": "usd",
            "status": status,
            "reason": "fraudulent",
            "payment_intent": intent_id,
            "charge": intent["latest_charge"],
            "balance_transactions": [],
        }
        self.objects[made["id"]] = made
        created = self.event("charge.dispute.created", made)
        if status.startswith("warning"):
            return [created]
        made["balance_transactions"].append(self._movement(-cents, DISPUTE_FEE))
        return [created, self.event("charge.dispute.funds_withdrawn", made)]

    def close_dispute(self, dispute_id: str, status: str, *, returns_fee: int = 0) -> list[Object]:
        made = self.objects[dispute_id]
        made["status"] = status
        closed = [self.event("charge.dispute.updated", made), self.event("charge.dispute.closed", made)]
        if status == "won":
            made["balance_transactions"].append(self._movement(made["amount"], -returns_fee))
            closed.append(self.event("charge.dispute.funds_reinstated", made))
        return closed

    def event(self, kind: str, thing: Object, **given: Any) -> Object:
        """A snapshot of now, as a webhook has it: what is expanded in an answer is only named in an event."""
        shown = {name: value for name, value in thing.items() if name not in {"saves", "method"}}
        if isinstance(shown.get("balance_transaction"), dict):
            shown["balance_transaction"] = shown["balance_transaction"]["id"]
        body = {
            "id": self._id("evt"),
            "object": "event",
            "type": kind,
            "livemode": False,
            "created": 1795000000,
            "data": {"object": json.loads(json.dumps(shown))},
        }
        return {**body, **given}

    # --- its API ---------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, params: Object, key: str) -> tuple[int, Object]:
        with self._lock:
            self.asked.append((method, path, params))
            if self.is_down:
                return 500, {"error": {"type": "api_error", "message": "down"}}
            if method == "POST" and key in self._known:
                before, status, said = self._known[key]
                if before != params:
                    return 400, {"error": {"type": "idempotency_error", "message": "other parameters"}}
                return status, said
            status, said = self._route(method, path.removeprefix("/v1/").split("/"), params)
            said = json.loads(json.dumps(said))
            if method == "POST" and key:
                self._known[key] = (params, status, said)
            if self.breaks_after and path.startswith(self.breaks_after) and method == "POST":
                self.breaks_after = ""
                return 502, {"error": {"type": "api_error", "message": "lost"}}
            return status, said

    def _route(self, method: str, parts: list[str], params: Object) -> tuple[int, Object]:  # noqa: PLR0911 a table
        match method, parts:
            case "POST", ["checkout", "sessions"]:
                return 200, self._session(params)
            case "GET", ["checkout", "sessions", name] if name in self.objects:
                return 200, self.objects[name]
            case "POST", ["payment_intents"]:
                return self._charge_saved(params)
            case "GET", ["payment_intents", name] if name in self.objects:
                return 200, self._expanded(self.objects[name])
            case "POST", ["payment_intents", name, "confirm"] if name in self.objects:
                return self._confirmed(self.objects[name], params)
            case "POST", ["payment_intents", name, "cancel"] if name in self.objects:
                self.objects[name]["status"] = "canceled"
                return 200, self.objects[name]
            case "POST", ["refunds"]:
                return self._refunded(params)
            case "GET", ["refunds" | "disputes" as kind]:
                found = [
                    each
                    for each in self.objects.values()
                    if each["object"] == kind[:-1] and each["payment_intent"] == params["payment_intent"]
                ]
                return 200, {"object": "list", "data": found, "has_more": False}
            case "POST", ["payment_methods", name, "detach"]:
                return 200, {"id": name, "object": "payment_method"}
        return 404, {"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "none"}}

    def _session(self, params: Object) -> Object:
        name = self._id("cs_test")
        item = params["line_items"]["0"]["price_data"]
        made = {
            "id": name,
            "object": "checkout.session",
            "mode": params["mode"],
            "status": "open",
            "payment_status": "unpaid",
            "amount_total": int(item["unit_amount"]),
            "currency": item["currency"],
            "payment_intent": None,
            "customer": params.get("customer"),
            "metadata": params.get("metadata", {}),
            "url": f"{self.url}/pay/{name}",
            "success_url": params["success_url"],
            "cancel_url": params["cancel_url"],
            "saves": params.get("payment_intent_data", {}).get("setup_future_usage") == "off_session",
        }
        self.objects[name] = made
        return made

    def _charge_saved(self, params: Object) -> tuple[int, Object]:
        intent = self._intent(int(params["amount"]), params.get("metadata", {}), "card")
        intent |= {"customer": params["customer"], "payment_method": params["payment_method"]}
        if self.declines:
            return self._declined(intent)
        self._charged(intent, "card")
        return 200, self._expanded(intent)

    def _confirmed(self, intent: Object, params: Object) -> tuple[int, Object]:
        if self.declines and self.declines != "authentication_required":
            return self._declined(intent)
        intent["status"] = "requires_action"
        intent["return_url"] = params["return_url"]
        intent["last_payment_error"] = None
        intent["next_action"] = {
            "type": "redirect_to_url",
            "redirect_to_url": {"url": f"{self.url}/bank/{intent['id']}"},
        }
        return 200, intent

    def authenticate(self, intent_id: str) -> list[Object]:
        """The owner of the card answers their bank."""
        intent = self.objects[intent_id]
        return self._charged(intent, "card")

    def _declined(self, intent: Object) -> tuple[int, Object]:
        code = "authentication_required" if self.declines == "authentication_required" else "card_declined"
        error = {"type": "card_error", "code": code, "decline_code": self.declines, "message": "declined"}
        intent |= {"status": "requires_payment_method", "last_payment_error": error}
        return 402, {"error": {**error, "payment_intent": intent}}

    def _refunded(self, params: Object) -> tuple[int, Object]:
        intent = self.objects[params["payment_intent"]]
        charge = self.objects[intent["latest_charge"]]
        cents = int(params["amount"])
        if charge["amount_refunded"] + cents > charge["amount"]:
            error = {"type": "invalid_request_error", "code": "charge_already_refunded", "message": "no"}
            return 400, {"error": error}
        event = self.refund(intent["id"], cents, metadata=params.get("metadata"))[0]
        return 200, event["data"]["object"]

    def _intent(self, cents: int, metadata: Object, method: str) -> Object:
        intent: Object = {
            "id": self._id("pi"),
            "object": "payment_intent",
            "amount": cents,
            "amount_received": 0,
            "currency": self.currency_lie or "usd",
            "status": "requires_payment_method",
            "customer": None,
            "payment_method": self._id("pm"),
            "latest_charge": None,
            "metadata": dict(metadata),
            "last_payment_error": None,
            "method": method,
        }
        self.objects[intent["id"]] = intent
        return intent

    def _charged(self, intent: Object, method: str) -> list[Object]:
        details: Object = {"type": method}
        if method == "card":
            details["card"] = {"brand": "visa", "last4": "4242"}
        charge = {
            "id": self._id("ch"),
            "object": "charge",
            "amount": intent["amount"],
            "amount_refunded": 0,
            "currency": intent["currency"],
            "payment_intent": intent["id"],
            "payment_method_details": details,
            "disputed": False,
            "status": "succeeded",
            "balance_transaction": self._movement(intent["amount"], FEE),
            "metadata": intent["metadata"],
        }
        self.objects[charge["id"]] = charge
        intent |= {
            "status": "succeeded",
            "amount_received": intent["amount"],
            "latest_charge": charge["id"],
            "next_action": None,
        }
        return [self.event("charge.succeeded", charge), self.event("payment_intent.succeeded", intent)]

    def _expanded(self, intent: Object) -> Object:
        return {**intent, "latest_charge": self.objects.get(intent["latest_charge"] or "")}

    def _movement(self, cents: int, fee: int) -> Object:
        return {
            "id": self._id("txn"),
            "object": "balance_transaction",
            "amount": cents,
            "fee": fee,
            "currency": self.settles_in,
        }

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):014d}"

    @property
    def url(self) -> str:
        return self._url

    @contextmanager
    def serving(self) -> Iterator["StandIn"]:
        """On a free port of this machine."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"stand_in": self}))
        server.daemon_threads = True
        self._url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


def signed(event: Object | bytes, *, secret: str = WEBHOOK_SECRET, at: int | None = None) -> tuple[bytes, str]:
    """The body of a webhook and its Stripe-Signature, by the library's own scheme."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return body, stripe.WebhookSignature.generate_signature_header(body.decode("utf-8", "replace"), secret, at)


def nested(pairs: list[tuple[str, str]]) -> Object:
    """`a[b][c]=d` to {"a": {"b": {"c": "d"}}}."""
    tree: Object = {}
    for name, value in pairs:
        steps = name.replace("]", "").split("[")
        branch = tree
        for step in steps[:-1]:
            branch = branch.setdefault(step, {})
        branch[steps[-1]] = value
    return tree


class _Handler(BaseHTTPRequestHandler):
    stand_in: StandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.startswith(("/pay/", "/bank/")):
            return self._page(parts.path)
        return self._send(*self.stand_in.answer("GET", parts.path, nested(parse_qsl(parts.query)), ""))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path.startswith(("/pay/", "/bank/")):
            return self._finished(self.path)
        key = self.headers.get("Idempotency-Key") or ""
        return self._send(*self.stand_in.answer("POST", urlsplit(self.path).path, nested(parse_qsl(body)), key))

    def _page(self, path: str) -> None:
        """Where the browser was sent: one button that does what the payer would."""
        page = f'<!doctype html><title>Pay</title><form method="post" action="{path}"><button>Pay</button></form>'
        self._write(200, "text/html", page.encode())

    def _finished(self, path: str) -> None:
        """The events go out, the browser goes back."""
        kind, name = path.strip("/").split("/")
        stand_in = self.stand_in
        events = stand_in.pay(name) if kind == "pay" else stand_in.authenticate(name)
        for event in events if stand_in.webhook_url else []:
            body, header = signed(event)
            headers = {"Content-Type": "application/json", "Stripe-Signature": header}
            urlopen(Request(stand_in.webhook_url, body, headers), timeout=20).close()
        self.send_response(303)
        self.send_header("Location", stand_in.objects[name].get("success_url") or stand_in.objects[name]["return_url"])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, status: int, said: Object) -> None:
        self._write(status, "application/json", json.dumps(said).encode())

    def _write(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name that http.server gives it
        return
