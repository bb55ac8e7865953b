"""The public page of models and prices."""

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.dateparse import parse_datetime

from gateway import catalogue


def model_list(request: HttpRequest) -> HttpResponse:
    """Open to everyone, signed in or not. `?at=` shows the prices of a moment: a receipt leads there."""
    at = _moment(request.GET.get("at", ""))
    return render(request, "gateway/model_list.html", {"families": catalogue.models_for_page(at), "at": at})


def _moment(text: str) -> datetime | None:
    """None for what is no moment with a time zone: today's prices."""
    try:
        moment = parse_datetime(text[:40].replace(" ", "+"))
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
