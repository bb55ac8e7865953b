"""What the operator's pages of codes show, as frozen data."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet, Sum

from billing import codes
from billing.models import RedeemCode, RedeemCodeBatch, Redemption
from billing.money import CURRENCY, format_amount

BATCHES = 50
CODES = 25
REDEMPTIONS = 50
CSV_HEAD = "code,amount,currency,kind,uses,uses_left,expires_at,disabled_at"


@dataclass(frozen=True)
class BatchLine:
    """A batch and how far it has been redeemed. `open`: nano that is still owed to whoever redeems the rest."""

    batch: RedeemCodeBatch
    redeemed: int
    total: int
    redeemed_nano: int
    total_nano: int
    open_nano: int
    is_over: bool  # expired or disabled

    @property
    def percent(self) -> int:
        return self.redeemed * 100 // self.total


@dataclass(frozen=True)
class CodeLine:
    code: RedeemCode
    shown: str
    redeemed: int


@dataclass(frozen=True)
class BatchPage:
    line: BatchLine
    codes: list[CodeLine]
    page: Page[RedeemCode]
    redemptions: list[Redemption]
    people: int  # how many different ones redeemed


@dataclass(frozen=True)
class Totals:
    """Over every batch."""

    batches: int
    redeemed_nano: int
    open_nano: int


def batches(*, q: str, number: str | None, now: datetime) -> tuple[list[BatchLine], Page[RedeemCodeBatch]]:
    """The latest first; `q` is a part of a name."""
    rows = RedeemCodeBatch.objects.select_related("created_by").order_by("-pk")
    if q:
        rows = rows.filter(name__icontains=q)
    page = Paginator(rows, BATCHES).get_page(number)
    return _lines(list(page.object_list), now), page


def batch(*, public_id: str, number: str | None, now: datetime) -> BatchPage:
    """Raises RedeemCodeBatch.DoesNotExist."""
    row = RedeemCodeBatch.objects.select_related("created_by", "disabled_by").get(public_id=public_id)
    page = Paginator(RedeemCode.objects.filter(batch=row).order_by("pk"), CODES).get_page(number)
    theirs = Redemption.objects.filter(batch=row)
    return BatchPage(
        line=_lines([row], now)[0],
        codes=[CodeLine(code, codes.shown(code.code), code.uses - code.uses_left) for code in page],
        page=page,
        redemptions=list(theirs.select_related("user", "code").order_by("-redeemed_at", "-pk")[:REDEMPTIONS]),
        people=theirs.values("user").distinct().count(),
    )


def find(typed: str) -> RedeemCode | None:
    """The code that somebody read out, if there is one."""
    return RedeemCode.objects.select_related("batch").filter(code=codes.normalised(typed)).first()


def totals(*, now: datetime) -> Totals:
    alive = Q(disabled_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
    counts = RedeemCode.objects.filter(alive, uses_left__gt=0).values("amount_nano").annotate(left=Sum("uses_left"))
    return Totals(
        batches=RedeemCodeBatch.objects.count(),
        redeemed_nano=_redeemed_nano(Redemption.objects.all()),
        open_nano=sum(row["amount_nano"] * row["left"] for row in counts.order_by()),
    )


def csv_rows(batch: RedeemCodeBatch) -> Iterator[str]:
    """One line for each code, for a spreadsheet or a mailing. No value here can be read as a formula."""
    amount = [format_amount(batch.amount_nano), CURRENCY]
    yield CSV_HEAD + "\r\n"
    for code in RedeemCode.objects.filter(batch=batch).order_by("pk").iterator(chunk_size=1000):
        moments = [moment.isoformat() if moment else "" for moment in (code.expires_at, code.disabled_at)]
        fields = [codes.shown(code.code), *amount, code.kind, str(code.uses), str(code.uses_left), *moments]
        yield ",".join(fields) + "\r\n"


def _lines(rows: list[RedeemCodeBatch], now: datetime) -> list[BatchLine]:
    ids = [row.pk for row in rows]
    had = dict(Redemption.objects.filter(batch__in=ids).values_list("batch").annotate(Count("pk")).order_by())
    alive = Q(batch__in=ids, disabled_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
    left = dict(RedeemCode.objects.filter(alive).values_list("batch").annotate(Sum("uses_left")).order_by())
    return [
        BatchLine(
            batch=row,
            redeemed=had.get(row.pk, 0),
            total=row.count * row.uses,
            redeemed_nano=had.get(row.pk, 0) * row.amount_nano,
            total_nano=row.count * row.uses * row.amount_nano,
            open_nano=left.get(row.pk, 0) * row.amount_nano,
            is_over=row.disabled_at is not None or (row.expires_at is not None and row.expires_at <= now),
        )
        for row in rows
    ]


def _redeemed_nano(rows: QuerySet[Redemption]) -> int:
    counts = rows.values("batch__amount_nano").annotate(count=Count("pk")).order_by()
    return sum(row["batch__amount_nano"] * row["count"] for row in counts)
