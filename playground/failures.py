"""What went wrong, in a person's words: from the code of an error to a title, the facts, and what to do next.

Known codes have translated words; what an unknown gateway says is shown as it said it.
"""

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy


@dataclass(frozen=True)
class Explained:
    title: str
    message: str
    charged: str  # a sentence, "" when the ledger itself is shown beside it
    request_id: str
    code: str
    link: str = ""
    link_label: str = ""


BILLING_PAGE = "/billing/"  # a fixed point of the site; billing imports nothing of ours and we nothing of its pages

_KNOWN: dict[str, tuple[str | Promise, str | Promise]] = {
    "insufficient_credit": (gettext_lazy("Not enough credit"), ""),
    "model_not_found": (
        gettext_lazy("This model is not available"),
        gettext_lazy("Choose another model from the list; it shows what the gateway offers now."),
    ),
    "no_channel": (
        gettext_lazy("No provider serves this model right now"),
        gettext_lazy("Choose another model, or ask again in half a minute."),
    ),
    "upstream_refused": (gettext_lazy("The provider refused the request"), ""),
    "upstream_failed": (
        gettext_lazy("The provider failed"),
        gettext_lazy("The provider broke off or could not be understood. Ask again, or choose another model."),
    ),
    "upstream_overloaded": (
        gettext_lazy("The provider is overloaded"),
        gettext_lazy("Ask again in a few seconds, or choose another model."),
    ),
    "upstream_rate_limited": (
        gettext_lazy("The provider is limiting requests"),
        gettext_lazy("Ask again in a minute, or choose another model."),
    ),
    "upstream_timeout": (
        gettext_lazy("The provider did not answer in time"),
        gettext_lazy("Ask again, or choose a quicker model."),
    ),
    "gateway_unreachable": (
        gettext_lazy("The gateway could not be reached"),
        gettext_lazy("The request was not sent. Ask again in a few seconds."),
    ),
    "gateway_timeout": (
        gettext_lazy("The gateway did not answer in time"),
        gettext_lazy("Ask again, or choose a quicker model."),
    ),
    "stream_cut": (
        gettext_lazy("The answer broke off"),
        gettext_lazy("The connection to the gateway closed early. What arrived is kept."),
    ),
    "interrupted": (
        gettext_lazy("The answer was interrupted"),
        gettext_lazy("The server restarted while it was writing. What arrived is kept."),
    ),
    "answer_too_long": (
        gettext_lazy("The answer is too long to show"),
        gettext_lazy("Set a limit on the answer, or call the API directly."),
    ),
    "too_slow": (
        gettext_lazy("The answer took too long"),
        gettext_lazy("The playground waits ten minutes. What arrived is kept."),
    ),
    "worker_lost": (
        gettext_lazy("The image was lost on the way"),
        gettext_lazy("The process that was generating it ended three times. Try again."),
    ),
    "bad_picture": (
        gettext_lazy("The provider sent no usable image"),
        gettext_lazy("What arrived is not a PNG, JPEG or WebP picture. Try again."),
    ),
    "bad_answer": (
        gettext_lazy("The answer could not be read"),
        gettext_lazy("The gateway sent something unexpected. Try again, or choose another model."),
    ),
    "internal": (
        gettext_lazy("Something broke on our side"),
        gettext_lazy("It is logged. Try again; if it happens twice, write to support with the time."),
    ),
}
_CHARGED = {
    True: gettext_lazy("What was delivered was charged."),
    False: gettext_lazy("Nothing was charged."),
}
_ALSO_KNOWN_AS = {"insufficient_quota": "insufficient_credit", "billing_error": "insufficient_credit"}


def explain(error: dict[str, Any], *, ledger_is_shown: bool = False) -> Explained:
    """`error` as GatewayFailed.as_json gives it."""
    code = _ALSO_KNOWN_AS.get(str(error.get("code", "")), str(error.get("code", "")))
    said = _without_charge(str(error.get("message", "")))
    title, message = _KNOWN.get(code, (_("The request failed"), ""))
    charged = "" if ledger_is_shown else str(_CHARGED.get(error.get("charged"), ""))  # type: ignore[arg-type] # None is "not known"
    link, label = _way_out(code)
    return Explained(
        title=str(title),
        message=str(message) or said,
        charged=charged,
        request_id=str(error.get("request_id", "")),
        code=code,
        link=link,
        link_label=label,
    )


def _way_out(code: str) -> tuple[str, str]:
    if code == "insufficient_credit":
        return BILLING_PAGE, _("Add credit")
    return "", ""


def _without_charge(message: str) -> str:
    """The gateway ends its messages with whether anything was charged; here that is a line of its own."""
    return message.removesuffix("Nothing was charged.").rstrip()
