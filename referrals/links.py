"""Referral codes: make one, count a click, remember it in the browser, bind a new person once.

The cookie may hold a few codes in the order they were met. A well-formed code is kept whether it exists or not, so that
nobody can learn from an answer which codes exist; at sign-up the first one that is good binds.
"""

import re
import secrets
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.models import User
from referrals import addresses
from referrals.models import Link, Referral

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # no 0 O 1 I L: codes are read aloud and typed
CODE_LENGTH = 8
COOKIE = "ref"
COOKIE_DAYS = 60
MAX_REMEMBERED = 3
FIELD = "referral_code"  # of the sign-up form, for a code that was told rather than clicked
_CODE = re.compile(r"[0-9A-Z]{4,32}", re.ASCII)
_ROBOT = re.compile(r"bot|crawl|spider|preview|headless|curl|wget|python-|monitor", re.IGNORECASE)
_MAX_CHAIN = 1000


def link_of(*, user: User) -> Link:
    """The person's link; made at the first call."""
    found = Link.objects.filter(user=user).first()
    while found is None:
        try:
            with transaction.atomic():
                found = Link.objects.create(user=user, code=_new_code())
        except IntegrityError:  # the code is taken, or another tab was quicker
            found = Link.objects.filter(user=user).first()
    return found


def lock(*, user: User) -> Link:
    """The row that every verb about a person's rewards takes first, before any account. Call inside a transaction.

    On SQLite the transaction itself is the lock: it begins IMMEDIATE.
    """
    link_of(user=user)
    return Link.objects.select_for_update(no_key=True).get(user=user)


def clean_code(text: str) -> str:
    """The code as stored, or empty when the text cannot be one."""
    code = text.strip().upper()
    return code if _CODE.fullmatch(code) else ""


def remembered(request: HttpRequest) -> str:
    """What `attribute` takes: a code typed at sign-up, then those of the cookie; empty if there is none."""
    typed = clean_code(request.POST.get(FIELD, ""))
    codes = [typed, *_in_cookie(request)] if typed else _in_cookie(request)
    return ".".join(dict.fromkeys(codes))


def met(request: HttpRequest, code: str) -> bool:
    """Whether this browser came with the code before."""
    return clean_code(code) in _in_cookie(request)


def count_click(request: HttpRequest, code: str) -> None:
    """Once per browser and code; programs that say what they are do not count. The same work for an unknown code."""
    if met(request, code) or _ROBOT.search(request.headers.get("User-Agent", "bot")):
        return
    Link.objects.filter(code=clean_code(code), disabled_at=None).update(clicks=F("clicks") + 1)


def remember(request: HttpRequest, response: HttpResponseBase, code: str) -> None:
    """First touch wins: a code met later is put behind the earlier ones and never pushes one out."""
    codes = _in_cookie(request)
    code = clean_code(code)
    if not code or code in codes or len(codes) >= MAX_REMEMBERED:
        return
    response.set_cookie(
        COOKIE,
        ".".join([*codes, code]),
        max_age=COOKIE_DAYS * 24 * 3600,
        secure=settings.SECURE,
        httponly=True,
        samesite="Lax",
    )


def attribute(*, referee: User, code: str, now: datetime) -> bool:
    """Bind a new person to who brought them, once and for ever. Pays nothing.

    `code` is one code or, from `remembered`, several in order; the first good one binds. A code that is unknown or
    disabled, of a closed account, one's own (also under another spelling of the same mailbox) or that would close a
    circle binds nothing, and the sign-up goes on.
    """
    for candidate in code.split(".")[: MAX_REMEMBERED + 1]:
        link = Link.objects.select_related("user").filter(code=clean_code(candidate), disabled_at=None).first()
        if link is not None and _bind(referee, link, now):
            return True
    return False


def _bind(referee: User, link: Link, now: datetime) -> bool:
    referrer = link.user
    if not referrer.is_active or addresses.same_person(referee.email, referrer.email):
        return False
    try:
        with transaction.atomic():
            # Both people, in one order: two that bring each other at the same moment cannot both succeed.
            list(User.objects.select_for_update(no_key=True).filter(pk__in=[referee.pk, referrer.pk]).order_by("pk"))
            if _brought(referee, referrer):
                return False
            Referral.objects.create(referee=referee, referrer=referrer, link=link, joined_at=now)
    except IntegrityError:  # bound before, or oneself
        return False
    return True


def _brought(ancestor: User, person: User) -> bool:
    """Whether `ancestor` is, through any number of steps, who brought `person`."""
    current: int | None = person.pk
    for _step in range(_MAX_CHAIN):
        if current is None:
            return False
        if current == ancestor.pk:
            return True
        current = Referral.objects.filter(referee_id=current).values_list("referrer_id", flat=True).first()
    return True  # longer than any honest chain: refuse


def _in_cookie(request: HttpRequest) -> list[str]:
    codes = (clean_code(part) for part in request.COOKIES.get(COOKIE, "")[:120].split("."))
    return [code for code in codes if code][:MAX_REMEMBERED]


def _new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
