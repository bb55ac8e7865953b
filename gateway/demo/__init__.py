"""A provider that ships with the project: it speaks the protocols, calls no model, and says so. Off in production."""

import hashlib
import hmac

from django.conf import settings


def key() -> str:
    """The bearer key of the demo provider in this installation; only its own channels know it."""
    return "demo-" + hmac.new(settings.SECRET_KEY.encode(), b"demo-provider-key", hashlib.sha256).hexdigest()[:40]
