"""Pages of the console itself."""

from django.urls import path

from console import books_views, overview, pages, probes

app_name = "console"

urlpatterns = [
    path("", pages.landing, name="landing"),
    path("dashboard/", overview.dashboard, name="dashboard"),
    path("settings/", overview.profile, name="settings"),
    path("settings/notices/", overview.choose_notices, name="choose-notices"),
    path("settings/sessions/end/", overview.sign_out_elsewhere, name="sign-out-elsewhere"),
    path("outbox/", overview.mail_list, name="outbox"),
    path("outbox/<slug:mail_id>/", overview.mail_detail, name="mail"),
    path("desk/books/", books_views.books_page, name="books"),
    path("desk/books/check/", books_views.books_check, name="books-check"),
    path("docs/", pages.docs, name="docs"),
    path("gallery/", pages.gallery, name="gallery"),
    path("healthz", probes.live, name="live"),
    path("readyz", probes.ready, name="ready"),
    path("metrics", probes.metrics, name="metrics"),
    path("csp-report", probes.csp_report, name="csp-report"),
]
