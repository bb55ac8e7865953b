"""The tables in Django's admin. Secrets, passwords and what people wrote are not among the columns."""

from typing import Any

from django.contrib import admin
from django.db.models import URLField
from django.http import HttpRequest

from accounts.models import ApiKey, User
from billing.models import Hold, LedgerAccount, LedgerAudit, LedgerEntry, LedgerTxn, Price, RedeemCode, Usage
from console.admin_site import ReadOnly
from gateway.models import Channel, Model, Route
from referrals.models import Policy, Referral, Reward, Withdrawal, WithdrawalEvent


@admin.register(User)
class UserAdmin(ReadOnly):
    """The one thing to change: close an account, or make somebody support. Never another superuser."""

    list_display = ("email", "public_id", "is_active", "is_staff", "joined_at")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "public_id")
    fields = ("email", "public_id", "language", "joined_at", "last_login", "is_active", "is_staff", "is_superuser")
    readonly_fields = ("email", "public_id", "language", "joined_at", "last_login", "is_superuser")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return self.admin_site.has_permission(request) and not (obj and obj.is_superuser)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly):
    list_display = ("hint", "name", "user", "purpose", "created_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("public_id", "user__email")
    exclude = ("digest", "client_id")


@admin.register(LedgerAccount)
class LedgerAccountAdmin(ReadOnly):
    list_display = ("kind", "owner", "credits", "debits", "held")
    list_filter = ("kind",)
    list_select_related = ("owner",)
    search_fields = ("owner__email",)


class EntryInline(admin.TabularInline):  # type: ignore[type-arg] # takes no argument at run time
    model = LedgerEntry
    extra = 0
    can_delete = False
    fields = ("debit", "credit", "amount")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 as above
        return False


@admin.register(LedgerTxn)
class LedgerTxnAdmin(ReadOnly):
    list_display = ("kind", "idempotency_key", "actor", "reason", "effective_at")
    list_filter = ("kind",)
    list_select_related = ("actor",)
    search_fields = ("idempotency_key", "source_id")
    inlines = (EntryInline,)


@admin.register(Hold)
class HoldAdmin(ReadOnly):
    list_display = ("request_id", "user", "amount", "state", "created_at", "expires_at")
    list_filter = ("state",)
    list_select_related = ("user",)
    search_fields = ("request_id", "user__email")


@admin.register(Usage)
class UsageAdmin(ReadOnly):
    list_display = ("request_id", "user", "model", "status", "charge_nano", "uncollected_nano", "started_at")
    list_filter = ("status", "source")
    list_select_related = ("user",)
    search_fields = ("request_id", "user__email")


@admin.register(RedeemCode)
class RedeemCodeAdmin(ReadOnly):
    """Without the code itself: it is money for whoever reads it."""

    list_display = ("__str__", "batch", "kind", "amount_nano", "uses_left", "expires_at")
    list_select_related = ("batch",)
    exclude = ("code",)


@admin.register(Channel)
class ChannelAdmin(ReadOnly):
    list_display = ("name", "protocol", "base_url", "enabled", "priority", "weight")
    exclude = ("api_key_encrypted",)
    formfield_overrides = {URLField: {"assume_scheme": "https"}}  # Django asks which; nothing is typed here


@admin.register(Withdrawal)
class WithdrawalAdmin(ReadOnly):
    """Payee details are shown at the desk only, with a reason on record."""

    list_display = ("public_id", "user", "state", "amount", "requested_at", "paid_at")
    list_filter = ("state",)
    list_select_related = ("user",)
    search_fields = ("public_id", "user__email")
    exclude = ("payee_encrypted",)


@admin.register(Price, Model, Route, Policy, LedgerAudit, Referral, Reward, WithdrawalEvent)
class TableAdmin(ReadOnly):
    pass
