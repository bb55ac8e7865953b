"""Channels to providers. A provider key is encrypted under its own key, bound to where it may be sent, write-only."""

import base64
import secrets
from datetime import datetime
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction

from gateway.models import Channel, Endpoint, Model, Route

_NONCE_BYTES = 12
_FORMAT = "v1:"
_SPOKEN = {
    Channel.Protocol.OPENAI.value: {Endpoint.CHAT.value, Endpoint.RESPONSES.value, Endpoint.IMAGES.value},
    Channel.Protocol.ANTHROPIC.value: {Endpoint.MESSAGES.value},
}


class BadChannel(ValueError):
    """The channel cannot work as described; the text says why."""


class KeyUnreadable(Exception):
    """The stored key was not encrypted by this FIELD_SECRET for this base URL. Set the channel's key again."""


def add_channel(
    *,
    name: str,
    protocol: str,
    base_url: str,
    api_key: str,
    models: list[str],
    now: datetime,
    priority: int = 0,
    weight: int = 1,
) -> Channel:
    """A channel that serves `models`; one of the same name is replaced, its routes too. `now` is when it begins.

    A model is written `name`, or `name=provider's name`; `["*"]` stands for every model the protocol has a shape for.
    Raises BadChannel.
    """
    if protocol not in _SPOKEN:
        raise BadChannel(f"protocol must be one of {', '.join(_SPOKEN)}.")
    if not name.strip() or len(name) > 80:  # noqa: PLR2004 the column
        raise BadChannel("The name must have 1 to 80 characters.")
    if not api_key.strip() or not api_key.isascii() or not api_key.isprintable():
        raise BadChannel("The key must be printable ASCII: it travels in a header.")
    if weight < 1:
        raise BadChannel("weight must be at least 1.")
    url = checked_url(base_url)
    with transaction.atomic():
        routes = _routes(protocol, models)
        channel, _ = Channel.objects.update_or_create(
            name=name,
            defaults={
                "protocol": protocol,
                "base_url": url,
                "api_key_encrypted": encrypt(api_key, url),
                "enabled": True,
                "priority": priority,
                "weight": weight,
            },
            create_defaults={
                "protocol": protocol,
                "base_url": url,
                "api_key_encrypted": encrypt(api_key, url),
                "priority": priority,
                "weight": weight,
                "created_at": now,
            },
        )
        channel.routes.all().delete()
        Route.objects.bulk_create(Route(channel=channel, model=model, upstream_name=theirs) for model, theirs in routes)
    return channel


def checked_url(url: str) -> str:
    """Without a trailing slash. Raises BadChannel unless it is plain http(s) with a host."""
    try:
        parts = urlsplit(url.strip())
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise BadChannel("The base URL is not a URL.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_fine:
        raise BadChannel("The base URL must start with http:// or https:// and name a host.")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise BadChannel("The base URL must hold no user, password, query or fragment.")
    if not url.isascii() or any(character.isspace() for character in url.strip()):
        raise BadChannel("The base URL must be plain ASCII without spaces.")
    return url.strip().rstrip("/")


def encrypt(api_key: str, base_url: str) -> str:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _FORMAT + base64.b64encode(nonce + _cipher().encrypt(nonce, api_key.encode(), base_url.encode())).decode()


def api_key_of(channel: Channel) -> str:
    """Only for the call upstream. Raises KeyUnreadable, also when somebody changed the base URL behind our back."""
    try:
        sealed = base64.b64decode(channel.api_key_encrypted.removeprefix(_FORMAT))
        return _cipher().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], channel.base_url.encode()).decode()
    except (InvalidTag, ValueError) as error:
        raise KeyUnreadable(channel.name) from error


def _cipher() -> AESGCM:
    derived = HKDF(SHA256(), length=32, salt=None, info=b"gateway.channel.api_key").derive(
        settings.FIELD_SECRET.encode()
    )
    return AESGCM(derived)


def _routes(protocol: str, wanted: list[str]) -> list[tuple[Model, str]]:
    spoken = _SPOKEN[protocol]
    every = {model.name: model for model in Model.objects.all()}
    if wanted == ["*"]:
        return [(model, model.name) for model in every.values() if spoken & set(model.endpoints)]
    pairs = dict(_pair(text) for text in wanted if text.strip())
    if not pairs:
        raise BadChannel("Name at least one model, or * for all.")
    if unknown := sorted(pairs.keys() - every.keys()):
        raise BadChannel(f"Not in the catalogue: {', '.join(unknown)}. Load it first with load_catalogue.")
    if mute := sorted(name for name in pairs if not spoken & set(every[name].endpoints)):
        raise BadChannel(f"The {protocol} protocol has no shape for: {', '.join(mute)}.")
    return [(every[ours], theirs) for ours, theirs in pairs.items()]


def _pair(text: str) -> tuple[str, str]:
    ours, _, theirs = text.strip().partition("=")
    return ours.strip(), theirs.strip() or ours.strip()
