"""The catalogue, the channels to providers, and which channel serves which model."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Endpoint(models.TextChoices):
    CHAT = "chat/completions", "chat/completions"
    RESPONSES = "responses", "responses"
    MESSAGES = "messages", "messages"
    IMAGES = "images/generations", "images/generations"


class Model(models.Model):
    """One model we sell. Loaded by `load_catalogue`; its prices are billing.Price rows under the same name."""

    class Family(models.TextChoices):
        OPENAI = "openai", _("OpenAI / Codex text")
        CLAUDE = "claude", _("Claude")
        GEMINI = "gemini", _("Gemini text / reasoning")
        IMAGE = "image", _("Image")
        GEMINI_IMAGE = "gemini-image", _("Gemini, image-capable")

    name = models.CharField(max_length=80, unique=True)
    family = models.CharField(max_length=16, choices=Family)
    endpoints = models.JSONField()  # list of Endpoint values
    owned_by = models.CharField(max_length=40)
    context_tokens = models.IntegerField(default=128_000)
    max_output_tokens = models.IntegerField(default=16_384)
    default_output_tokens = models.IntegerField(default=4_096)  # held when the caller names no limit
    recommended_for = models.CharField(max_length=40, blank=True)  # "first-call", "claude", "images"
    active = models.BooleanField(default=True)
    position = models.IntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar[list[str]] = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    def serves(self, endpoint: str) -> bool:
        return endpoint in self.endpoints


class Channel(models.Model):
    """A provider account: where calls go and with which key. The key is encrypted and never shown again."""

    class Protocol(models.TextChoices):
        OPENAI = "openai", "OpenAI"
        ANTHROPIC = "anthropic", "Anthropic"

    name = models.CharField(max_length=80, unique=True)
    protocol = models.CharField(max_length=12, choices=Protocol)
    base_url = models.URLField(max_length=300)  # openai: ends in /v1; anthropic: the host
    api_key_encrypted = models.TextField(editable=False)
    enabled = models.BooleanField(default=True)
    priority = models.IntegerField(default=0)  # higher first
    weight = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return self.name

    def speaks(self, endpoint: str) -> bool:
        """The protocol has a shape for this endpoint; nothing is translated yet."""
        return (endpoint == Endpoint.MESSAGES) == (self.protocol == self.Protocol.ANTHROPIC)


class Route(models.Model):
    """This channel serves this model, under the provider's own name for it."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="routes")
    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="routes")
    upstream_name = models.CharField(max_length=120)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "model"], name="route_unique")]

    def __str__(self) -> str:
        return f"{self.model} via {self.channel}"
