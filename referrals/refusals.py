"""Why a withdrawal step was refused. Nothing was moved when one of these is raised.

`code` is for programs, `message` for people, in their language; `status` is the HTTP answer that fits.
"""

from datetime import datetime

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from billing.money import SYMBOL, format_amount
from referrals.models import Withdrawal


class Refused(Exception):
    code = "refused"
    status = 409

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ProgrammeOff(Refused):
    code = "programme_off"

    def __init__(self) -> None:
        super().__init__(_("Withdrawals are paused at the moment. Your rewards stay yours."))


class AccountClosed(Refused):
    code = "account_closed"

    def __init__(self) -> None:
        super().__init__(_("This account is closed. Nothing was moved."))


class MailNotVerified(Refused):
    code = "email_not_verified"

    def __init__(self) -> None:
        super().__init__(_("Verify your e-mail address first, then request the withdrawal. Nothing was moved."))


class BelowThreshold(Refused):
    code = "below_threshold"
    status = 400

    def __init__(self, threshold: int) -> None:
        super().__init__(_("The smallest withdrawal is %(amount)s. Nothing was moved.") % {"amount": _money(threshold)})


class NotWholeCents(Refused):
    code = "not_whole_cents"
    status = 400

    def __init__(self) -> None:
        super().__init__(_("A withdrawal is a whole number of cents. Nothing was moved."))


class UnknownMethod(Refused):
    code = "unknown_method"
    status = 400

    def __init__(self) -> None:
        super().__init__(_("This payment method is not offered. Choose one of the list. Nothing was moved."))


class NotEnough(Refused):
    code = "not_enough"

    def __init__(self, available: int) -> None:
        super().__init__(_("Only %(amount)s is available. Nothing was moved.") % {"amount": _money(available)})


class OpenRequestExists(Refused):
    code = "open_request_exists"

    def __init__(self, public_id: str) -> None:
        super().__init__(
            _("Request %(number)s is still open. Wait for it or cancel it first. Nothing was moved.")
            % {"number": public_id}
        )


class InDebt(Refused):
    code = "in_debt"

    def __init__(self, debt: int) -> None:
        super().__init__(
            _(
                "%(amount)s of earlier rewards was taken back and is still open. "
                "New rewards repay it first. Nothing was moved."
            )
            % {"amount": _money(debt)}
        )


class OtherContent(Refused):
    code = "idempotency_mismatch"
    status = 422

    def __init__(self) -> None:
        super().__init__(_("This form was already sent with other content. Reload the page. Nothing was moved."))


class NotPossible(Refused):
    """The request is not in a state from which this step leads on."""

    code = "not_possible"


class OwnRequest(Refused):
    code = "own_request"
    status = 403

    def __init__(self) -> None:
        super().__init__(_("This is your own request. Somebody else has to do this. Nothing was changed."))


class SecondPersonNeeded(Refused):
    code = "second_person_needed"
    status = 403

    def __init__(self) -> None:
        super().__init__(
            _("You approved this request, so somebody else has to do this. Ask a colleague. Nothing was changed.")
        )


class ClaimedByOther(Refused):
    code = "claimed"

    def __init__(self, email: str, until: datetime) -> None:
        super().__init__(
            _("%(who)s is working on this request until %(time)s UTC. Nothing was changed.")
            % {"who": email, "time": f"{until:%H:%M}"}
        )


class ReasonNeeded(Refused):
    code = "reason_needed"
    status = 400

    def __init__(self) -> None:
        super().__init__(_("Give a reason: the person reads it. Nothing was changed."))


class AmountNotAllowed(Refused):
    code = "amount_not_allowed"
    status = 400


class ReferenceTaken(Refused):
    code = "reference_taken"

    def __init__(self) -> None:
        super().__init__(_("Another withdrawal already has this payment reference. Check it. Nothing was changed."))


def already(withdrawal: Withdrawal, at: datetime | None, who: str) -> NotPossible:
    """In words: what somebody else did a moment before."""
    when = date_format(at, "Y-m-d H:i") if at else ""
    if who and when:
        return NotPossible(
            _("Already “%(state)s”, by %(who)s at %(time)s UTC. Nothing was changed.")
            % {"state": withdrawal.get_state_display(), "who": who, "time": when}
        )
    return NotPossible(
        _("The request is “%(state)s” now. Nothing was changed.") % {"state": withdrawal.get_state_display()}
    )


def _money(nano: int) -> str:
    return f"{SYMBOL}{format_amount(nano)}"
