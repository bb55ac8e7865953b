"""Pages of the console itself."""

from django.urls import path

from console import overview, pages, probes

app_name = "console"

urlpatterns = [
    path("", pages.landing, name="landing"),
    path("dashboard/", overview.dashboard, name="dashboard"),
    path("settings/", overview.profile, name="settings"),
    path("settings/notices/", overview.choose_notices, name="choose-notices"),
    path("settings/sessions/end/", overview.sign_out_elsewhere, name="sign-out-elsewhere"),
    path("outbox/", overview.mail_list, name="outbox"),
    path("outbox/<slug:mail_id>/", overview.mail_detail, name="mail"),
    path("docs/", pages.docs, name="docs"),
    path("gallery/", pages.gallery, name="gallery"),
    path("healthz", probes.live, name="live"),
    path("readyz", probes.ready, name="ready"),
    path("metrics", probes.metrics, name="metrics"),
    path("csp-report", probes.csp_report, name="csp-report"),
]
