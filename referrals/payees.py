"""Where money is sent to: encrypted at rest, shown masked, opened only for support and with a line in the history."""

import base64
import json

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

Payee = dict[str, str]
SHOWN = 4  # last characters of an account; of a short one nothing


def seal(payee: Payee) -> str:
    return _box().encrypt(json.dumps(payee, ensure_ascii=False, sort_keys=True).encode()).decode()


def opened(sealed: str) -> Payee:
    """Raises cryptography.fernet.InvalidToken when FIELD_SECRET is not the one it was sealed with."""
    found: Payee = json.loads(_box().decrypt(sealed.encode()))
    return found


def hint(payee: Payee) -> str:
    """Enough for the owner to recognise the account, too little to send money to it."""
    account = payee.get("account", "")
    return f"…{account[-SHOWN:]}" if len(account) > 2 * SHOWN else "…"


def _box() -> Fernet:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"referrals.payees").derive(
        settings.FIELD_SECRET.encode()
    )
    return Fernet(base64.urlsafe_b64encode(key))
