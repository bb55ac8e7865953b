"""Codes that become credit: made in batches by an operator, redeemed once per person while uses are left."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from accounts.models import User
from billing import ledger, lots
from billing.ledger import Line
from billing.models import AccountKind, CodeKind, RedeemCode, RedeemCodeBatch, Redemption
from billing.models.codes import MAX_CREDIT_DAYS
from billing.money import MAX_NANO

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # no 0 O, 1 I L, no U: read aloud, typed from paper
LENGTH = 16  # 78 bits
MAX_USES = 1_000_000
MAX_COUNT = 10_000
TRIES = 5
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


class EnoughOfBatch(CannotRedeem):
    """This person has had as many codes of this batch as one person may."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class CannotCreate(ValueError):
    """An amount, a number or a time that makes no sense."""


@dataclass(frozen=True)
class Plan:
    """A batch that is to be made: `count` codes, each for `uses` people, one person `per_person` of them."""

    name: str
    kind: Literal["paid", "promo"]
    amount: int  # nano for each redemption
    count: int = 1
    uses: int = 1
    per_person: int = 1
    expires_at: datetime | None = None
    credit_expires_after_days: int | None = None

    @property
    def liability(self) -> int:
        """Nano that is owed once every code has been redeemed by everybody who may."""
        return self.amount * self.count * self.uses


def create(
    *, kind: Literal["paid", "promo"], amount: int, uses: int, expires_at: datetime | None, note: str, by: User | None
) -> RedeemCode:
    """One new code worth `amount` nano for each of `uses` people; `paid` was sold for money. Raises CannotCreate."""
    plan = Plan(name=note or "One code", kind=kind, amount=amount, uses=uses, expires_at=expires_at)
    return create_batch(plan=plan, by=by).codes.get()


def create_batch(*, plan: Plan, by: User | None, client_id: UUID | None = None) -> RedeemCodeBatch:
    """A batch and its codes. The same `client_id` again is the first batch. Raises CannotCreate."""
    _check(plan)
    client_id = client_id or uuid4()
    shared = {
        "kind": CodeKind(plan.kind),
        "amount_nano": plan.amount,
        "uses": plan.uses,
        "expires_at": plan.expires_at,
        "credit_expires_after_days": plan.credit_expires_after_days,
    }
    try:
        with transaction.atomic():
            batch = RedeemCodeBatch.objects.create(
                **shared,
                name=plan.name,
                count=plan.count,
                per_person=plan.per_person,
                created_by=by,
                client_id=client_id,
            )
            RedeemCode.objects.bulk_create(
                (RedeemCode(**shared, batch=batch, code=_invent(), uses_left=plan.uses) for _ in range(plan.count)),
                batch_size=1000,
            )
    except IntegrityError:
        before = RedeemCodeBatch.objects.filter(client_id=client_id).first()
        if before is None:
            raise
        return before
    return batch


def disable(*, code: RedeemCode, by: User, now: datetime) -> bool:
    """Nobody redeems it any more; what was redeemed stays. False when it was off already."""
    alive = RedeemCode.objects.filter(pk=code.pk, disabled_at=None)
    return bool(alive.update(disabled_at=now, disabled_by=by))


def disable_batch(*, batch: RedeemCodeBatch, by: User, now: datetime) -> bool:
    """All its codes at once. On each row, because that is the row that `redeem` takes a use from."""
    with transaction.atomic():
        alive = RedeemCodeBatch.objects.filter(pk=batch.pk, disabled_at=None)
        if not alive.update(disabled_at=now, disabled_by=by):
            return False
        RedeemCode.objects.filter(batch=batch, disabled_at=None).update(disabled_at=now, disabled_by=by)
    return True


def shown(code: str) -> str:
    """As it is printed: `XXXX-XXXX-XXXX-XXXX`."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def normalised(typed: str) -> str:
    """What somebody typed, as it is stored: upper case, without spaces and dashes."""
    return "".join(typed.upper().replace("-", "").split())


def redeem(*, user: User, code: str, now: datetime) -> Redemption:
    """Credit for a code. Raises UnknownCode, CodeExpired, CodeUsedUp, AlreadyRedeemed, EnoughOfBatch; then nothing
    has changed.

    The use is taken by one conditional update before anything else: however many try at once, no more than
    `uses_left` get through. How many of a batch one person may have is counted by a unique key.
    """
    wanted = normalised(code)
    if not _WELL_FORMED.fullmatch(wanted):
        raise UnknownCode
    for tries_left in reversed(range(TRIES)):
        try:
            with transaction.atomic():
                return _redeemed(_take_use(user, wanted, now), user, now)
        except IntegrityError:
            before = Redemption.objects.filter(code__code=wanted, user=user).first()
            if before is not None:
                raise AlreadyRedeemed(before) from None
            if not tries_left:  # not once more another code of the batch at the same moment
                raise
    raise AssertionError


def _take_use(user: User, wanted: str, now: datetime) -> RedeemCode:
    alive = Q(code=wanted, disabled_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
    if not RedeemCode.objects.filter(alive, uses_left__gt=0).update(uses_left=F("uses_left") - 1):
        raise _refusal(user, wanted, now)
    return RedeemCode.objects.select_related("batch").get(code=wanted)


def _redeemed(row: RedeemCode, user: User, now: datetime) -> Redemption:
    """The use is taken: post the credit and write who has it."""
    had = Redemption.objects.filter(batch=row.batch_id, user=user)
    if before := had.filter(code=row).first():
        raise AlreadyRedeemed(before)
    if (count := had.count()) >= row.batch.per_person:
        raise EnoughOfBatch(row.batch.per_person)
    posted = ledger.post(
        kind="redeem",
        key=f"redeem:{row.code}:{user.public_id}",
        lines=[_line(row, user)],
        actor=user,
        now=now,
        source_type="redeem_code",
        source_id=str(row.pk),
    )
    if row.kind == CodeKind.PROMO:
        days = row.credit_expires_after_days
        lots.open_lot(
            txn=posted.txn,
            user=user,
            amount=row.amount_nano,
            expires_at=now + timedelta(days=days) if days else None,
            source=f"…{row.code[-4:]}",
            now=now,
        )
    return Redemption.objects.create(
        code=row, batch=row.batch, nth=count + 1, user=user, txn=posted.txn, redeemed_at=now
    )


def _check(plan: Plan) -> None:
    days = plan.credit_expires_after_days
    wrong = (
        not 0 < plan.amount <= MAX_NANO
        or not 0 < plan.count <= MAX_COUNT
        or not 0 < plan.uses <= MAX_USES
        or not 0 < plan.per_person <= plan.count
        or (days is not None and (plan.kind != "promo" or not 0 < days <= MAX_CREDIT_DAYS))
    )
    if wrong:
        raise CannotCreate(f"{plan.count} codes of {plan.amount} nano for {plan.uses} people each")


def _invent() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


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
