"""What a call cost, put into its answer: `usage.cost`, an exact decimal text in the console currency.

All other bytes below the level that is changed stay as the provider wrote them, unknown fields and order included: the
answer is joined from its raw pieces, never encoded anew. 15 MB of pictures take 11 ms, half of them to read it
(docs/adr/0011).
"""

import msgspec

from gateway.protocols import sse
from gateway.protocols.sse import Event

FIELD = "cost"
Pieces = dict[str, msgspec.Raw]


def with_cost(data: bytes, path: tuple[str, ...], cost: str | None) -> bytes:
    """`data` with `cost` in the object at `path`; as it is where there is no such object.

    A provider's own `cost` is what we pay, not what the caller does: it never gets through, also where ours is unknown.
    """
    try:
        return _spliced(data, path, cost)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return data


def event_with_cost(event: Event, path: tuple[str, ...], cost: str | None) -> bytes:
    """The same for an event of a stream."""
    if event.data is None or not event.data.startswith(b"{"):
        return event.raw
    data = with_cost(event.data, path, cost)
    if data is event.data:
        return event.raw
    if event.data in event.raw:
        return event.raw.replace(event.data, data, 1)
    return sse.event(data, event.name.decode("latin-1"))  # its JSON stood on several lines


def _spliced(data: bytes | msgspec.Raw, path: tuple[str, ...], cost: str | None) -> bytes:
    pieces = msgspec.json.decode(data, type=Pieces)
    if path:
        pieces[path[0]] = msgspec.Raw(_spliced(pieces.get(path[0], msgspec.Raw(b"null")), path[1:], cost))
    elif cost is None:
        pieces.pop(FIELD, None)
    else:
        pieces[FIELD] = msgspec.Raw(msgspec.json.encode(cost))
    return msgspec.json.encode(pieces)
