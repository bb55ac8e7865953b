"""Bounds that every amount keeps."""

from django.db import models
from django.db.models import Q

from billing.money import MAX_NANO


def bounded(name: str, *fields: str, least: int = 0) -> models.CheckConstraint:
    """SQLite turns an integer overflow into a float without a word; every amount is bounded on both databases."""
    condition = Q()
    for field in fields:
        condition &= Q(**{f"{field}__gte": least, f"{field}__lte": MAX_NANO})
    return models.CheckConstraint(condition=condition, name=name)
