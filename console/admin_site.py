"""Django's admin as a window for superusers: they look, and hardly touch. Money changes only by the verbs."""

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _


class ReadOnly(ModelAdmin):  # type: ignore[type-arg] # takes no argument at run time
    """No form of these writes, also not a forged one."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 as above
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 as above
        return False


class Site(AdminSite):
    site_header = _("QYUAN AI Console: tables")
    site_title = _("Tables")
    index_title = _("Every table, to look at")
    enable_nav_sidebar = False
    site_url = "/desk/"

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[Any] | None = None,
        **options: Any,
    ) -> None:
        """Ours only: those that Django and allauth bring along would edit groups and addresses."""
        if admin_class and issubclass(admin_class, ReadOnly):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and getattr(request.user, "is_superuser", False))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Through the one door, with its limits; who is in and may not look finds nothing."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise Http404
        return super().login(request, extra_context) if request.user.is_authenticated else _to_sign_in(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # type: ignore[override] # noqa: ARG002 a redirect is an answer, too
        return HttpResponseRedirect(reverse("account_change_password"))


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    target = request.GET.get("next", request.path)
    return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': target})}")
