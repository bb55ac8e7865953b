"""What a call cost, read from the ledger's own row. A gateway that is not ours keeps its rows to itself."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings

from accounts.models import ApiKey
from billing.models import Usage


def knowable() -> bool:
    """Calls go through our own gateway, so a usage row will appear."""
    return not settings.GATEWAY_KEY


def usage_of_call(*, user_id: int, request_id: str, client_id: str) -> Usage | None:
    """By the gateway's id, or, when its answer never came, by the id that we sent along."""
    if request_id:
        return Usage.objects.filter(pk=request_id, user_id=user_id).first()
    return Usage.objects.filter(
        user_id=user_id, client_request_id=client_id, key__purpose=ApiKey.Purpose.PLAYGROUND
    ).first()


def usages_of(*, user_id: int, request_ids: Iterable[str]) -> dict[str, Usage]:
    wanted = [request_id for request_id in request_ids if request_id]
    return Usage.objects.filter(user_id=user_id).in_bulk(wanted)


def charged_by_playground(*, user_id: int, client_request_id: str) -> list[Usage]:
    """Charged calls with this client id. Only the playground's own key counts: a person may send any id with theirs."""
    return list(
        Usage.objects.filter(
            user_id=user_id,
            client_request_id=client_request_id,
            key__purpose=ApiKey.Purpose.PLAYGROUND,
            charge_nano__gt=0,
            refunded_nano=0,
        )
    )


def as_event(usage: Usage) -> dict[str, Any]:
    """The `cost` event of a run. Nano as text: JavaScript's numbers end before ours."""
    return {
        "charge_nano": str(usage.charge_nano),
        "request_id": usage.request_id,
        "input_tokens": usage.input_tokens + usage.cached_tokens + usage.cache_write_tokens,
        "output_tokens": usage.output_tokens + usage.reasoning_tokens,
        "source": usage.source,
        "status": usage.status,
    }
