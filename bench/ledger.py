"""Hold, settle and journal one call after the other; prints calls per second. Run by bench/gateway.py."""

import os
import sys
import time
from datetime import timedelta

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

import django

django.setup()

from django.utils import timezone  # noqa: E402 after the set-up

from accounts.ids import new_public_id  # noqa: E402
from accounts.models import ApiKey  # noqa: E402
from billing import charges, prices, reservations  # noqa: E402
from billing.models import Usage  # noqa: E402

MODEL = "gpt-5.4-mini"
HELD = 50_000_000  # nano


def measure(seconds: float) -> float:
    key = ApiKey.objects.select_related("user").exclude(user__email__startswith="demo").latest("id")
    done, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        now, request_id = timezone.now(), new_public_id("req")
        context = {"model": MODEL}
        reservations.hold(
            request_id=request_id,
            user=key.user,
            key_id=key.pk,
            amount=HELD,
            now=now,
            expires_at=now + timedelta(minutes=5),
            context=context,
        )
        call = charges.Call(
            request_id=request_id,
            user_id=key.user.pk,
            key_id=key.pk,
            model=MODEL,
            endpoint="chat/completions",
            channel="bench",
            stream=False,
            client_request_id="",
            started_at=now,
        )
        charges.settle(
            call=call,
            tokens=charges.Tokens(input=20, output=20),
            price=prices.in_force(MODEL, now),
            source=Usage.Source.UPSTREAM,
            status=Usage.Status.OK,
            http_status=200,
            now=now,
        )
        done += 1
    return done / (time.monotonic() - began)


if __name__ == "__main__":
    print(f"{measure(float(sys.argv[1])):.0f}")
