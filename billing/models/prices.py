"""Prices as dated rows."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import User
from billing.models.bounds import bounded
from billing.money import MAX_NANO


class Price(models.Model):
    """What a model costs from a moment on. A new row changes the price; the past keeps its own.

    Token prices are nano per 1,000,000 tokens; null means "as the broader class" (cached input as input, and so on).
    `image_nano` maps `"<size>/<quality>"`, with `*` for any, to nano per image.
    """

    model = models.CharField(max_length=80)
    effective_from = models.DateTimeField()
    input_nano_per_mtok = models.BigIntegerField(default=0)
    cached_input_nano_per_mtok = models.BigIntegerField(null=True)
    cache_write_nano_per_mtok = models.BigIntegerField(null=True)
    output_nano_per_mtok = models.BigIntegerField(default=0)
    reasoning_nano_per_mtok = models.BigIntegerField(null=True)
    image_nano = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")  # null: the catalogue

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "effective_from"], name="price_one_per_moment"),
            bounded("price_bounds", "input_nano_per_mtok", "output_nano_per_mtok"),
            models.CheckConstraint(
                condition=Q(
                    *(
                        Q(**{name: None}) | Q(**{f"{name}__gte": 0, f"{name}__lte": MAX_NANO})
                        for name in (
                            "cached_input_nano_per_mtok",
                            "cache_write_nano_per_mtok",
                            "reasoning_nano_per_mtok",
                        )
                    )
                ),
                name="price_narrow_bounds",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} from {self.effective_from:%Y-%m-%d %H:%M}"
