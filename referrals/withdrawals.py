"""Withdrawals: a person asks, support decides, somebody pays; each step once, with a line in the history.

Every verb locks the person's link row, reads the request again, checks, makes one conditional update, writes an event
and posts under a key of the request (`wd:<id>:reserve|partial|release|paid|returned`). `release` is one key for every
ending without payment, so a request can never be given back twice.
"""

from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import Max, Q
from django.utils.translation import gettext as _

from accounts.models import User
from billing import ledger
from billing.models import AccountKind
from billing.money import CENT, SYMBOL, format_amount
from referrals import allocations, links, payees, policies, refusals, rewards, transitions
from referrals.models import HoldReason, Policy, Withdrawal

State = Withdrawal.State
REFERENCE_LENGTH = 80


def request(
    *,
    user: User,
    amount: int,
    method: str,
    payee: payees.Payee,
    client_id: str,
    now: datetime,
    ip: str | None = None,
) -> Withdrawal:
    """Ask to be paid `amount` nano; it is set aside until somebody decides.

    The same client id again returns the first request, or raises OtherContent when the content differs. Raises a
    Refused with the reason when a rule says no; then nothing moved.
    """
    policy = policies.in_force(now)
    with transaction.atomic():
        links.lock(user=user)
        first = Withdrawal.objects.filter(user=user, client_id=client_id).first()
        if first is not None:
            return _same(first, amount, method, payee)
        _check_person(user, policy)
        _check_amount(user, amount, method, policy)
        withdrawal = Withdrawal.objects.create(
            user=user,
            client_id=client_id,
            amount=amount,
            fee=policy.fee_nano,
            policy=policy,
            threshold=policy.threshold_nano,
            second_person_above=policy.second_person_above_nano,
            method=method,
            payee_encrypted=payees.seal(payee),
            payee_hint=payees.hint(payee),
            requested_at=now,
        )
        transitions.record(withdrawal, "request", old="", new=State.REQUESTED, actor=user, now=now, ip=ip)
        _post(withdrawal, "reserve", AccountKind.REF_AVAILABLE, AccountKind.REF_RESERVED, amount, actor=user, now=now)
        allocations.fund(user=user, amount=amount, withdrawal=withdrawal)
        transitions.tell(withdrawal, "request")
    return withdrawal


def cancel(*, withdrawal: Withdrawal, by: User, now: datetime, ip: str | None = None) -> Withdrawal:
    """The person changes their mind; possible until it is approved."""
    with transaction.atomic():
        fresh = transitions.locked(withdrawal)
        if fresh.user != by:
            raise refusals.NotPossible(_("Only the person who asked can cancel. Nothing was changed."))
        transitions.check_possible(fresh, "cancel", seen_by_user=True)
        transitions.move(fresh, "cancel", actor=by, now=now, ip=ip, closed_at=now)
        _release(fresh, actor=by, now=now)
    return fresh


def claim(*, withdrawal: Withdrawal, by: User, now: datetime, ip: str | None = None) -> Withdrawal:
    """Take a request to work on it. Lasts transitions.CLAIM; until then colleagues are told who has it."""
    with transaction.atomic():
        fresh = _for_support(withdrawal, by)
        transitions.check_possible(fresh, "claim")
        transitions.check_claim(fresh, by, now)
        transitions.move(fresh, "claim", actor=by, now=now, ip=ip, claimed_by=by, claimed_at=now, reason="")
    return fresh


def release_claim(*, withdrawal: Withdrawal, by: User, now: datetime, ip: str | None = None) -> Withdrawal:
    with transaction.atomic():
        fresh = _for_support(withdrawal, by)
        transitions.check_possible(fresh, "release_claim")
        transitions.check_claim(fresh, by, now)
        transitions.move(fresh, "release_claim", actor=by, now=now, ip=ip, claimed_by=None, claimed_at=None)
    return fresh


def hold(
    *, withdrawal: Withdrawal, by: User, reason: HoldReason, now: datetime, note: str = "", ip: str | None = None
) -> Withdrawal:
    """Wait. The person reads the neutral words of the reason; the note is for colleagues."""
    with transaction.atomic():
        fresh = _for_support(withdrawal, by)
        transitions.check_possible(fresh, "hold")
        transitions.check_claim(fresh, by, now)
        transitions.move(
            fresh, "hold", actor=by, now=now, note=note, ip=ip, reason=reason.value, claimed_by=None, claimed_at=None
        )
    return fresh


def approve(
    *,
    withdrawal: Withdrawal,
    by: User,
    now: datetime,
    amount: int | None = None,
    reason: str = "",
    note: str = "",
    ip: str | None = None,
) -> Withdrawal:
    """Agree to pay all of it, or less with a reason that the person reads; the difference is available again."""
    with transaction.atomic():
        fresh = _for_support(withdrawal, by)
        transitions.check_possible(fresh, "approve")
        transitions.check_claim(fresh, by, now)
        approved = _approvable(fresh, amount, reason)
        transitions.move(
            fresh,
            "approve",
            actor=by,
            now=now,
            note=note,
            ip=ip,
            approved_by=by,
            approved_at=now,
            approved_amount=approved,
            reason=reason.strip() if approved < fresh.amount else "",
        )
        if approved < fresh.amount:
            _give_back(fresh, "partial", fresh.amount - approved, keep=approved, actor=by, now=now)
    return fresh


def reject(*, withdrawal: Withdrawal, by: User, reason: str, now: datetime, ip: str | None = None) -> Withdrawal:
    with transaction.atomic():
        fresh = _for_support(withdrawal, by)
        transitions.check_possible(fresh, "reject")
        transitions.check_claim(fresh, by, now)
        reason = _reason(reason)
        transitions.move(fresh, "reject", actor=by, now=now, note=reason, ip=ip, reason=reason, closed_at=now)
        _release(fresh, actor=by, now=now)
    return fresh


def revoke(*, withdrawal: Withdrawal, by: User, reason: str, now: datetime, ip: str | None = None) -> Withdrawal:
    """Take an approval back before money is sent. Somebody other than who approved."""
    with transaction.atomic():
        fresh = _for_support(withdrawal, by)
        transitions.check_possible(fresh, "revoke")
        if fresh.approved_by == by:
            raise refusals.SecondPersonNeeded
        reason = _reason(reason)
        transitions.move(fresh, "revoke", actor=by, now=now, note=reason, ip=ip, reason=reason, closed_at=now)
        _release(fresh, actor=by, now=now)
    return fresh


def start_paying(*, withdrawal: Withdrawal, by: User, now: datetime, ip: str | None = None) -> Withdrawal:
    """Say that the money is being sent, so that nobody revokes meanwhile. Refused while rewards are in debt."""
    with transaction.atomic():
        fresh = _for_support(withdrawal, by)
        transitions.check_possible(fresh, "start_paying")
        if debt := ledger.balances(fresh.user).ref_debt:
            raise refusals.InDebt(debt)
        transitions.move(fresh, "start_paying", actor=by, now=now, ip=ip)
    return fresh


def mark_paid(
    *, withdrawal: Withdrawal, by: User, reference: str, now: datetime, note: str = "", ip: str | None = None
) -> Withdrawal:
    """Record that the money was sent, with the reference of the payment. The same reference again changes nothing.

    Above the limit of the policy the payer is not the approver. A debt that came up meanwhile does not stop this: what
    was sent has to be in the books.
    """
    reference = reference.strip()
    if not reference or len(reference) > REFERENCE_LENGTH:
        raise refusals.NotPossible(_("Give the reference of the payment, at most 80 characters. Nothing was changed."))
    with transaction.atomic():
        fresh = _for_support(withdrawal, by)
        if fresh.state == State.PAID and fresh.payment_reference == reference:
            return fresh
        transitions.check_possible(fresh, "mark_paid")
        if fresh.needs_second_person and fresh.approved_by == by:
            raise refusals.SecondPersonNeeded
        changes = {"paid_by": by, "paid_at": now, "payment_reference": reference, "closed_at": now}
        transitions.move(fresh, "mark_paid", actor=by, now=now, note=note or reference, ip=ip, **changes)
        lines = [_system_line(fresh.user, AccountKind.CASH_PAYOUT, fresh.net)]
        if fresh.fee:
            lines.append(_system_line(fresh.user, AccountKind.REVENUE_PAYOUT_FEE, fresh.fee))
        _post_lines(fresh, "paid", lines, actor=by, now=now)
    return fresh


def mark_failed(*, withdrawal: Withdrawal, by: User, reason: str, now: datetime, ip: str | None = None) -> Withdrawal:
    """The payment did not go through: it is approved again, to be sent once more or revoked."""
    with transaction.atomic():
        fresh = _for_support(withdrawal, by)
        transitions.check_possible(fresh, "mark_failed")
        reason = _reason(reason)
        transitions.move(fresh, "mark_failed", actor=by, now=now, note=reason, ip=ip)
    return fresh


def mark_returned(
    *, withdrawal: Withdrawal, by: User, evidence: str, now: datetime, ip: str | None = None
) -> Withdrawal:
    """The bank sent the money back: the net amount is available again, the fee stays spent. Once."""
    with transaction.atomic():
        fresh = _for_support(withdrawal, by)
        transitions.check_possible(fresh, "mark_returned")
        evidence = _reason(evidence)
        transitions.move(fresh, "mark_returned", actor=by, now=now, note=evidence, ip=ip)
        line = ledger.Line(
            debit=ledger.account(AccountKind.CASH_PAYOUT),
            credit=ledger.account(AccountKind.REF_AVAILABLE, fresh.user),
            amount=fresh.net,
        )
        _post_lines(fresh, "returned", [line], actor=by, now=now, reason=evidence)
        allocations.shrink(withdrawal=fresh, keep=fresh.fee)
        rewards.net_debt(user=fresh.user, upto=fresh.net, key=f"wd:{fresh.public_id}:returned:net", now=now)
    return fresh


def expire(*, now: datetime) -> int:
    """Close requests that nobody touched for as long as their policy says; how many."""
    untouched = Withdrawal.objects.filter(state__in=transitions.STEPS["expire"].old).select_related("user", "policy")
    count = 0
    for withdrawal in untouched.annotate(touched_at=Max("events__at", filter=~Q(events__action="reveal"))):
        touched_at: datetime = withdrawal.touched_at  # type: ignore[attr-defined] # annotated
        if touched_at + timedelta(days=withdrawal.policy.expire_after_days) > now:
            continue
        with transaction.atomic():
            fresh = transitions.locked(withdrawal)
            if fresh.state != withdrawal.state:
                continue
            transitions.move(fresh, "expire", actor=None, now=now, closed_at=now)
            _release(fresh, actor=None, now=now)
            count += 1
    return count


def reveal(*, withdrawal: Withdrawal, by: User, reason: str, now: datetime, ip: str | None = None) -> payees.Payee:
    """The payee in plain words. Who looked, when and why stays in the history."""
    with transaction.atomic():
        fresh = _for_support(withdrawal, by)
        transitions.record(
            fresh, "reveal", old=fresh.state, new=fresh.state, actor=by, now=now, note=_reason(reason), ip=ip
        )
    return payees.opened(fresh.payee_encrypted)


def _for_support(withdrawal: Withdrawal, by: User) -> Withdrawal:
    fresh = transitions.locked(withdrawal)
    if not by.is_staff or fresh.user == by:
        raise refusals.OwnRequest
    return fresh


def _same(first: Withdrawal, amount: int, method: str, payee: payees.Payee) -> Withdrawal:
    if (first.amount, first.method, payees.opened(first.payee_encrypted)) != (amount, method, payee):
        raise refusals.OtherContent
    return first


def _check_person(user: User, policy: Policy) -> None:
    if not policy.enabled:
        raise refusals.ProgrammeOff
    if not User.objects.filter(pk=user.pk, is_active=True).exists():
        raise refusals.AccountClosed
    if not EmailAddress.objects.filter(user=user, verified=True).exists():
        raise refusals.MailNotVerified
    if (open_request := Withdrawal.objects.filter(user=user).open().first()) is not None:
        raise refusals.OpenRequestExists(open_request.public_id)


def _check_amount(user: User, amount: int, method: str, policy: Policy) -> None:
    if method not in policy.payout_methods:
        raise refusals.UnknownMethod
    if amount <= 0 or amount % CENT:
        raise refusals.NotWholeCents
    if amount < policy.threshold_nano or amount <= policy.fee_nano:
        raise refusals.BelowThreshold(max(policy.threshold_nano, policy.fee_nano + CENT))
    balances = ledger.balances(user)
    if balances.ref_debt:
        raise refusals.InDebt(balances.ref_debt)
    if amount > balances.available:
        raise refusals.NotEnough(balances.available - balances.available % CENT)


def _approvable(fresh: Withdrawal, amount: int | None, reason: str) -> int:
    """The gross to approve. What is owed since the request has to fit into the part that is not paid."""
    approved = fresh.amount if amount is None else amount
    if approved <= fresh.fee or approved > fresh.amount or approved % CENT:
        raise refusals.AmountNotAllowed(
            _("Approve a whole number of cents, above the fee and at most what was asked. Nothing was changed.")
        )
    debt = ledger.balances(fresh.user).ref_debt
    if approved > fresh.amount - debt:
        raise refusals.AmountNotAllowed(
            _(
                "Rewards behind this request were taken back. Approve at most %(amount)s, or reject. "
                "Nothing was changed."
            )
            % {"amount": f"{SYMBOL}{format_amount(max(0, (fresh.amount - debt) // CENT * CENT))}"}
        )
    if approved < fresh.amount:
        _reason(reason)
    return approved


def _reason(text: str) -> str:
    text = text.strip()
    if not text:
        raise refusals.ReasonNeeded
    return text[:500]


def _release(fresh: Withdrawal, *, actor: User | None, now: datetime) -> None:
    _give_back(fresh, "release", fresh.gross, keep=0, actor=actor, now=now)


def _give_back(fresh: Withdrawal, what: str, amount: int, *, keep: int, actor: User | None, now: datetime) -> None:
    _post(fresh, what, AccountKind.REF_RESERVED, AccountKind.REF_AVAILABLE, amount, actor=actor, now=now)
    allocations.shrink(withdrawal=fresh, keep=keep)
    rewards.net_debt(user=fresh.user, upto=amount, key=f"wd:{fresh.public_id}:{what}:net", now=now)


def _post(
    fresh: Withdrawal,
    what: str,
    debit: AccountKind,
    credit: AccountKind,
    amount: int,
    *,
    actor: User | None,
    now: datetime,
) -> None:
    line = ledger.Line(
        debit=ledger.account(debit, fresh.user), credit=ledger.account(credit, fresh.user), amount=amount
    )
    _post_lines(fresh, what, [line], actor=actor, now=now)


def _post_lines(
    fresh: Withdrawal, what: str, lines: list[ledger.Line], *, actor: User | None, now: datetime, reason: str = ""
) -> None:
    ledger.post(
        kind=f"wd.{what}",
        key=f"wd:{fresh.public_id}:{what}",
        lines=lines,
        actor=actor,
        now=now,
        reason=reason,
        source_type="withdrawal",
        source_id=fresh.public_id,
        policy_version=fresh.policy_id,
    )


def _system_line(user: User, credit: AccountKind, amount: int) -> ledger.Line:
    return ledger.Line(
        debit=ledger.account(AccountKind.REF_RESERVED, user), credit=ledger.account(credit), amount=amount
    )
