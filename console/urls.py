"""The whole map of the site on one screen."""

from django.contrib import admin
from django.urls import include, path

from console import overview
from console.api.urls import bare

urlpatterns = [
    path("", include("console.site_urls")),  # landing, docs, dashboard, settings, gallery, probes
    path("language/", overview.choose_language, name="set_language"),
    path("accounts/", include("allauth.account.urls")),
    path("keys/", include("accounts.urls")),
    path("", include("billing.urls")),  # /usage/ and /billing/
    path("models/", include("gateway.urls")),
    path("playground/", include("playground.urls")),
    path("", include("referrals.urls")),  # /referrals/, /r/CODE and /desk/
    path("api/v1/", include("console.api.urls")),
    path("api/v1/", include(bare)),
    path("admin/", admin.site.urls),
]

handler400 = "console.faults.bad_request"
handler403 = "console.faults.forbidden"
handler404 = "console.faults.not_found"
handler500 = "console.faults.server_error"
