"""One request on its way, and what follows from its state alone."""

from dataclasses import dataclass, field

from billing.charges import Call as BilledCall
from billing.models import Usage
from billing.money import format_amount
from gateway import metering
from gateway.auth import Caller
from gateway.books import Reservation
from gateway.edge import Request
from gateway.errors import GatewayError, Headers
from gateway.protocols.body import Body
from gateway.protocols.cost import event_with_cost, with_cost
from gateway.protocols.sse import Event
from gateway.protocols.wire import Ask, Seen, StreamWatch, Wire
from gateway.routing import Card, Way


@dataclass(slots=True)
class Call:
    """The steps of the relay fill it from top to bottom."""

    request: Request
    wire: Wire
    client_request_id: str = ""
    caller: Caller = field(init=False)
    body: Body = field(init=False)
    ask: Ask = field(init=False)
    card: Card = field(init=False)
    ways: list[Way] = field(default_factory=list)
    upstream_headers: dict[str, str] = field(default_factory=dict)
    reservation: Reservation = field(init=False)
    way: Way | None = None
    watch: StreamWatch | None = None
    seen: Seen = field(default_factory=Seen)  # of a whole answer
    text_bytes: int = 0
    answer: bytes = b""
    ending: list[Event] = field(default_factory=list)  # the last events, kept back until the charge is known
    forwarded: bool = False  # a byte of content is with the caller: no other channel from here on
    sent_ms: int | None = None
    first_byte_ms: int | None = None
    heard_at: float = 0.0
    key_checked_at: float = 0.0
    revoked_at: float | None = None
    status: Usage.Status = Usage.Status.FAILED
    http_status: int = 500
    error: GatewayError | None = None

    @property
    def billed(self) -> BilledCall:
        return BilledCall(
            request_id=self.request.id,
            user_id=self.caller.user_id,
            key_id=self.caller.key_id,
            model=self.card.name,
            endpoint=self.wire.endpoint,
            channel=(self.way or self.ways[0]).channel,
            stream=self.ask.stream,
            client_request_id=self.client_request_id,
            started_at=self.request.started_at,
        )

    @property
    def delivered_bytes(self) -> int:
        """Of output, as our count sees it."""
        return self.watch.counted_bytes if self.watch is not None else 0

    def measured(self) -> metering.Measured:
        """What of this call is charged."""
        if self.status is Usage.Status.OK:
            seen = self.watch.seen if self.watch is not None else self.seen
            made = self.delivered_bytes if self.watch is not None else self.text_bytes
            return metering.measure_complete(seen, input_count=self.body.input_count, text_bytes=made)
        return metering.measure_broken(
            self.watch.seen if self.watch is not None else Seen(),
            input_count=self.body.input_count,
            text_bytes=self.delivered_bytes,
            price=self.reservation.price,
            held=self.reservation.held,
            because="client_left_before_output" if self.status is Usage.Status.STOPPED else "failed_before_output",
        )

    def body_for(self, way: Way) -> bytes:
        """The caller's body with what must differ for this channel."""
        changes = self.wire.changes(self.ask, self.body.value)
        if way.upstream_name != self.ask.model:
            changes["model"] = way.upstream_name
        if self.reservation.cap is not None:
            changes[self._limit_field()] = self.reservation.cap
        return self.body.encode(changes)

    def headers(self, usage: Usage | None = None) -> Headers:
        """What only we can say about the answer."""
        headers: Headers = []
        if self.reservation.cap is not None:
            headers.append((b"x-qyuan-max-tokens", str(self.reservation.cap).encode()))
        if usage is not None:
            headers.append((b"x-qyuan-cost", format_amount(usage.charge_nano).encode()))
        return headers

    def answer_with(self, usage: Usage | None) -> bytes:
        """The whole answer, its usage with what was charged."""
        return with_cost(self.answer, self.wire.usage_path, _shown(usage))

    def ending_with(self, usage: Usage | None) -> bytes:
        """The same for the last events of a stream."""
        return b"".join(event_with_cost(event, self.wire.event_usage_path, _shown(usage)) for event in self.ending)

    def _limit_field(self) -> str:
        """OpenAI's newer models take only `max_completion_tokens`; others of its shape know only `max_tokens`."""
        if self.wire.limit_field == "max_completion_tokens" and self.card.family != "openai":
            return "max_tokens"
        return self.wire.limit_field


def _shown(usage: Usage | None) -> str | None:
    return None if usage is None else format_amount(usage.charge_nano)
