"""Codes that become credit: made by an operator, redeemed once per person while uses are left."""

import re
import secrets
from datetime import datetime
from typing import Literal

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from accounts.models import User
from billing import ledger
from billing.ledger import Line
from billing.models import AccountKind, RedeemCode, Redemption
from billing.money import MAX_NANO

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # no 0 O, 1 I L, no U: read aloud, typed from paper
LENGTH = 16  # 78 bits
MAX_USES = 1_000_000
_WELL_FORMED = re.compile(r"[A-Z0-9]{1,40}")


class CannotRedeem(Exception):
    """The code gives nothing; nothing has changed."""


class UnknownCode(CannotRedeem):
    """No such code, or it was switched off. Both look the same from outside."""


class CodeUsedUp(CannotRedeem):
    """Others were quicker."""


class CodeExpired(CannotRedeem):
    """Its last day has passed."""


class AlreadyRedeemed(CannotRedeem):
    """This person has had this code."""

    def __init__(self, redemption: Redemption) -> None:
        super().__init__(redemption.code_id)
        self.redemption = redemption


class CannotCreate(ValueError):
    """An amount or a number of uses that makes no sense."""


def create(
    *, kind: Literal["paid", "promo"], amount: int, uses: int, expires_at: datetime | None, note: str, by: User | None
) -> RedeemCode:
    """A new code worth `amount` nano for each of `uses` people; `paid` was sold for money. Raises CannotCreate."""
    if not 0 < amount <= MAX_NANO or not 0 < uses <= MAX_USES:
        raise CannotCreate(f"{amount} nano for {uses} people")
    return RedeemCode.objects.create(
        code="".join(secrets.choice(ALPHABET) for _ in range(LENGTH)),
        kind=RedeemCode.Kind(kind),
        amount_nano=amount,
        uses_left=uses,
        expires_at=expires_at,
        note=note,
        created_by=by,
    )


def shown(code: str) -> str:
    """As it is printed: `XXXX-XXXX-XXXX-XXXX`."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def normalised(typed: str) -> str:
    """What somebody typed, as it is stored: upper case, without spaces and dashes."""
    return "".join(typed.upper().replace("-", "").split())


def redeem(*, user: User, code: str, now: datetime) -> Redemption:
    """Credit for a code. Raises UnknownCode, CodeExpired, CodeUsedUp, AlreadyRedeemed; then nothing has changed.

    The use is taken by one conditional update before anything else: however many try at once, no more than
    `uses_left` get through.
    """
    wanted = normalised(code)
    if not _WELL_FORMED.fullmatch(wanted):
        raise UnknownCode
    alive = Q(code=wanted, disabled_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
    try:
        with transaction.atomic():
            if not RedeemCode.objects.filter(alive, uses_left__gt=0).update(uses_left=F("uses_left") - 1):
                raise _refusal(user, wanted, now)
            row = RedeemCode.objects.get(code=wanted)
            posted = ledger.post(
                kind="redeem",
                key=f"redeem:{row.code}:{user.public_id}",
                lines=[_line(row, user)],
                actor=user,
                now=now,
                source_type="redeem_code",
                source_id=str(row.pk),
            )
            return Redemption.objects.create(code=row, user=user, txn=posted.txn, redeemed_at=now)
    except IntegrityError:
        before = Redemption.objects.filter(code__code=wanted, user=user).first()
        if before is None:
            raise
        raise AlreadyRedeemed(before) from None


def _line(row: RedeemCode, user: User) -> Line:
    sold = row.kind == RedeemCode.Kind.PAID
    return Line(
        debit=ledger.account(AccountKind.CASH_OFFLINE if sold else AccountKind.EXPENSE_PROMO),
        credit=ledger.account(AccountKind.USER_PAID if sold else AccountKind.USER_PROMO, user),
        amount=row.amount_nano,
    )


def _refusal(user: User, wanted: str, now: datetime) -> CannotRedeem:
    before = Redemption.objects.filter(code__code=wanted, user=user).first()
    if before is not None:
        return AlreadyRedeemed(before)
    row = RedeemCode.objects.filter(code=wanted, disabled_at=None).first()
    if row is None:
        return UnknownCode()
    if row.expires_at is not None and row.expires_at <= now:
        return CodeExpired()
    return CodeUsedUp()
