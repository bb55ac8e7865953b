"""Pages that are open to everyone: landing, docs, and the gallery of the design system."""

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.models import User
from console import docs as guide
from console import gallery as examples
from console import landing as pitch


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    return render(request, "pages/landing.html", pitch.context(now=timezone.now()))


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    reader = request.user if isinstance(request.user, User) else None
    return render(request, "pages/docs.html", guide.context(reader, now=timezone.now()))


def gallery(request: HttpRequest) -> HttpResponse:
    """For those who build and run the console; every form on it only says that it was sent."""
    if settings.PRODUCTION and not request.user.is_staff:
        raise Http404
    if request.method == "POST":
        messages.success(request, _("The form was sent. Nothing was changed."))
        return redirect("console:gallery")
    return render(request, "pages/gallery.html", examples.context())
