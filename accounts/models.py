"""People and their API keys."""

import secrets
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from accounts.ids import new_public_id


def user_public_id() -> str:
    return new_public_id("usr")


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person. The e-mail address is the login and is kept in lower case.

    `is_staff` marks support and operators: they reach `/desk/`.
    """

    public_id = models.CharField(max_length=32, unique=True, default=user_public_id, editable=False)
    email = models.EmailField(_("e-mail address"), max_length=254, unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    language = models.CharField(max_length=10, blank=True, default="")
    time_zone = models.CharField(
        max_length=64, default="UTC", db_default="UTC"
    )  # IANA name; where the days of usage begin
    sessions_salt = models.CharField(max_length=22, blank=True, default="", editable=False)
    joined_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="user_email_is_lower_case"),
        ]

    def __str__(self) -> str:
        return self.email

    def end_sessions(self) -> None:
        """Every session of this person ends, the present one too unless its hash is renewed."""
        self.sessions_salt = secrets.token_urlsafe(16)
        self.save(update_fields=["sessions_salt"])

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """As Django's, which Django calls with each of its secrets, over the salt as well."""
        return salted_hmac(
            "accounts.User.session", f"{self.password}:{self.sessions_salt}", secret=secret, algorithm="sha256"
        ).hexdigest()


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def of(self, user: User) -> "ApiKeyQuerySet":
        """The keys a person made; the playground's own key is not one of them."""
        return self.filter(user=user, purpose=ApiKey.Purpose.API).order_by("-id")

    def usable(self) -> "ApiKeyQuerySet":
        return self.filter(revoked_at=None, user__is_active=True)


class ApiKey(models.Model):
    """A credential for `/v1`. Only a keyed digest of the secret is kept; the plain key is shown once.

    The plain form is `qy_<public id: 12>_<secret: 27><CRC-32: 6>`, base62 (accounts/keys.py).
    """

    class Purpose(models.TextChoices):
        API = "api", _("API")
        PLAYGROUND = "playground", _("Playground")

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_keys")
    public_id = models.CharField(max_length=16, unique=True, editable=False)
    client_id = models.UUIDField(null=True, editable=False)  # from the form: the same form twice is one key
    digest = models.CharField(max_length=64, editable=False)
    name = models.CharField(_("name"), max_length=80)
    last_four = models.CharField(max_length=4, editable=False)
    purpose = models.CharField(max_length=12, choices=Purpose, default=Purpose.API)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    revoked_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, editable=False, related_name="+")

    objects: ClassVar[ApiKeyQuerySet] = ApiKeyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(purpose="playground"), name="one_playground_key_per_user"
            ),
            models.UniqueConstraint(fields=["user", "client_id"], name="api_key_once_per_form"),
            models.CheckConstraint(
                condition=models.Q(revoked_at=None, revoked_by=None)
                | models.Q(revoked_at__isnull=False, revoked_by__isnull=False),
                name="api_key_revoked_at_and_by",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint})"

    @property
    def hint(self) -> str:
        """What may be shown after the first time: `qy_<public id>_…<last four>`."""
        return f"qy_{self.public_id}_…{self.last_four}"
