"""What the playground's scripts say, in the language of the page; they read it as JSON."""

from django.utils.translation import gettext as _


def of_chat() -> dict[str, str]:
    return {
        "generating": _("Generating an answer"),
        "still": _("Still generating"),
        "done": _("Answer complete, {words} words, {seconds} seconds."),
        "stopped": _("Stopped."),
        "stopping": _("Stopping"),
        "failed": _("The request failed."),
        "offline": _("The connection was lost. The answer goes on; reconnecting."),
        "signedOut": _("Your session has ended. Sign in again; the answer is kept."),
        "broken": _("The server could not be reached. Send it again: the same question is charged once at most."),
        "copied": _("Copied"),
        "copy": _("Copy"),
        "notCopied": _("Select and copy by hand"),
        "request": _("Request"),
    }


def of_images() -> dict[str, str]:
    return {
        "queued": _("Waiting for a worker"),
        "running": _("Generating"),
        "storing": _("Storing"),
        "succeeded": _("An image is ready."),
        "failed": _("An image failed."),
        "cancelled": _("An image was cancelled."),
        "cancelling": _("Cancelling"),
        "broken": _("The server could not be reached. Send it again: the same image is charged once at most."),
        "free": _("no price set"),
    }
