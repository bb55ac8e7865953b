"""What the landing page says with numbers: all of it is read from the catalogue and the prices in force."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from billing import prices
from billing.prices import Tokens
from console import samples
from gateway import catalogue
from gateway.catalogue import FamilyRows

EXAMPLE = Tokens(input=1_284, output=317)  # a question with some context, and a paragraph in answer

# A space keeps a line, + adds one, - takes one away. Clients of two SDKs; the change is the same two lines.
_OPENAI = """\
 import os
 from openai import OpenAI

 client = OpenAI(
+    base_url="{origin}/v1",
-    api_key=os.environ["OPENAI_API_KEY"],
+    api_key=os.environ["QYUAN_API_KEY"],
 )
"""
_ANTHROPIC = """\
 import os
 from anthropic import Anthropic

 client = Anthropic(
+    base_url="{origin}",
-    api_key=os.environ["ANTHROPIC_API_KEY"],
+    api_key=os.environ["QYUAN_API_KEY"],
 )
"""


@dataclass(frozen=True)
class DiffLine:
    sign: str  # " ", "+" or "-"
    code: str


@dataclass(frozen=True)
class FamilyCard:
    """A family with the lowest prices in it, in nano; None where no model of it has such a price."""

    label: str
    models: tuple[str, ...]
    endpoints: tuple[str, ...]
    input_from: int | None
    output_from: int | None
    image_from: int | None


@dataclass(frozen=True)
class ReceiptLine:
    label: str
    units: int
    price: int  # nano per 1,000,000 tokens
    amount: int  # nano


@dataclass(frozen=True)
class Receipt:
    model: str
    since: datetime
    lines: tuple[ReceiptLine, ...]
    total: int  # nano


def context(*, now: datetime) -> dict[str, Any]:
    families = catalogue.models_for_page()
    return {
        "families": [family_card(family) for family in families],
        "model_count": sum(len(family.models) for family in families),
        "openai_diff": diff(_OPENAI),
        "anthropic_diff": diff(_ANTHROPIC),
        "receipt": receipt(samples.chosen_models(families).get("text", ""), now=now),
    }


def diff(text: str) -> list[DiffLine]:
    filled = text.replace("{origin}", settings.PUBLIC_URL)
    return [DiffLine(line[:1] or " ", line[1:]) for line in filled.splitlines()]


def family_card(family: FamilyRows) -> FamilyCard:
    known = [model.price for model in family.models if model.price]
    per_token = [price for price in known if not price.image_nano]
    return FamilyCard(
        label=family.label,
        models=tuple(model.name for model in family.models),
        endpoints=tuple(dict.fromkeys(endpoint for model in family.models for endpoint in model.endpoints)),
        input_from=min((price.input_nano_per_mtok for price in per_token), default=None),
        output_from=min((price.output_nano_per_mtok for price in per_token), default=None),
        image_from=min((nano for price in known for nano in price.image_nano.values()), default=None),
    )


def receipt(model: str, *, now: datetime) -> Receipt | None:
    """An example call worked out like a real one; None without a model or a price."""
    price = prices.in_force(model, now)
    if price is None:
        return None
    labels = {"input": _("Input tokens"), "output": _("Output tokens")}
    lines = tuple(
        ReceiptLine(labels[part.name], part.units, part.price_nano, part.cost_nano[0])
        for part in prices.components(price, EXAMPLE)
    )
    return Receipt(model, price.effective_from, lines, prices.cost(price, EXAMPLE))
