"""The public page of models and prices."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from gateway import catalogue


def model_list(request: HttpRequest) -> HttpResponse:
    """Open to everyone, signed in or not."""
    return render(request, "gateway/model_list.html", {"families": catalogue.models_for_page()})
