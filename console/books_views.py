"""The operator's page of the books."""

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.http import AuthedRequest, operators_only
from billing import audit, books_reports
from console import books, tasks


@operators_only
@require_safe
def books_page(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    page = books_reports.books(now=now)
    found = page.latest.findings if page.latest else {}
    names = sorted((*books.INVARIANTS, audit.GUARDS), key=lambda name: (name not in found, name))
    questions = [(name, found.get(name, [])) for name in names]
    context = {"books": page, "questions": questions, "checking": books.is_checking(), "now": now}
    return render(request, "desk/books.html", context)


@operators_only
@require_POST
def books_check(request: HttpRequest) -> HttpResponse:
    """Ask for a proof now: a worker makes it, the page looks again until it is there."""
    user = cast("AuthedRequest", request).user
    if books.begin_check():
        try:
            tasks.check_books.delay(user_id=user.pk)
        except tasks.check_books.OperationalError:
            books.checked()
            messages.error(request, _("The queue does not answer, so nothing was checked. Run manage.py ledger_audit."))
    return redirect("console:books")
