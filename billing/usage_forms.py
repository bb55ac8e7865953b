"""What of the usage is looked at. All of it stands in the URL; days and clock times are those of the person's zone."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.forms import BoundField
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import time_zones
from accounts.models import ApiKey, User
from billing import periods, usage_reports
from billing.models import Usage
from billing.periods import Span
from billing.usage_sums import COLUMNS, Which

USUAL = "30"
SPANS = {
    "1": gettext_lazy("Today"),
    "7": gettext_lazy("7 days"),
    "30": gettext_lazy("30 days"),
    "90": gettext_lazy("90 days"),
    "all": gettext_lazy("All time"),
}
MONTHS = 12  # offered; any can be in the URL
GROUPS = {
    "": gettext_lazy("Time"),
    periods.HOUR: gettext_lazy("Hour"),
    periods.DAY: gettext_lazy("Day"),
    periods.WEEK: gettext_lazy("Week"),
    periods.MONTH: gettext_lazy("Month"),
    "model": gettext_lazy("Model"),
    "key": gettext_lazy("Key"),
    "endpoint": gettext_lazy("Endpoint"),
    "status": gettext_lazy("Status"),
}
assert set(GROUPS) == {"", *periods.UNITS, *COLUMNS}
# The paths behind /v1/ that calls are made on. The gateway's own list is above us; a test holds the two together.
ENDPOINTS = ("chat/completions", "responses", "messages", "images/generations")
YEARS = range(2000, 3000)
# How a call that was charged on some day can have begun before it: the longest call, and long enough for a late one.
LONGEST = timedelta(days=1)
_TO_THE_MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}", re.ASCII)
_MONTH = re.compile(r"2[0-9]{3}-(0[1-9]|1[0-2])", re.ASCII)


class NotAMoment(ValueError):
    """Text that is neither a day nor a day with a time."""


def parse_moment(text: str, zone: ZoneInfo) -> tuple[datetime, bool]:
    """`2026-11-22`, `2026-11-22T14:30`, either with seconds or an offset; and whether it was only a day.

    Without an offset it is the clock of the zone; of an hour that comes twice when clocks are changed, the first.
    """
    text = text.strip().replace(" ", "T", 1)
    try:
        day = parse_date(text)
        moment = datetime.combine(day, datetime.min.time()) if day else parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.year not in YEARS:
        raise NotAMoment(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC), day is not None


class MomentInput(forms.TextInput):
    """The browser's own picker; plain text for a moment with an offset or seconds, which it cannot show."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        if not value or _TO_THE_MINUTE.fullmatch(str(value)):
            context["widget"]["type"] = "datetime-local"
        return context


@dataclass(frozen=True)
class Wanted:
    """A form that was understood."""

    which: Which
    zone: ZoneInfo
    by: str  # what it is grouped by, "" as fits
    day: date | None  # of the statement: by the moment of the charge, in UTC


class UsageForm(forms.Form):
    """A value that is none is told beside its field, and what is shown is shown without it."""

    time = forms.ChoiceField(label=gettext_lazy("Time"), required=False)
    day = forms.DateField(required=False, widget=forms.HiddenInput, input_formats=["%Y-%m-%d"])
    model = forms.ChoiceField(label=gettext_lazy("Model"), required=False)
    key = forms.ChoiceField(label=gettext_lazy("Key"), required=False)
    endpoint = forms.ChoiceField(label=gettext_lazy("Endpoint"), required=False)
    status = forms.ChoiceField(label=gettext_lazy("Status"), required=False)
    by = forms.ChoiceField(label=gettext_lazy("Sums by"), required=False, choices=list(GROUPS.items()))

    def __init__(self, data: Any, *, user: User, now: datetime) -> None:
        super().__init__(data)
        self.user, self.now = user, now
        self.zone = time_zones.zone(user.time_zone)
        for name, label in (("from", gettext_lazy("From")), ("to", gettext_lazy("To"))):
            self.fields[name] = forms.CharField(label=label, required=False, max_length=40, widget=MomentInput())
        self._keys = {key.public_id: key for key in ApiKey.objects.filter(user=user).order_by("name", "pk")}
        everything = ("", _("All"))
        self._choose("time", self._times())
        self._choose("model", [everything, *((name, name) for name in usage_reports.models_of(user))])
        self._choose("key", [everything, *((name, f"{key.name} · {key.hint}") for name, key in self._keys.items())])
        self._choose("endpoint", [everything, *((name, f"/v1/{name}") for name in ENDPOINTS)])
        self._choose("status", [everything, *Usage.Status.choices])

    @property
    def is_filtered(self) -> bool:
        """Something other than the page as it opens."""
        return any(value for name, value in self.cleaned_data.items() if name != "by" and value)

    @property
    def bounds(self) -> list[BoundField]:
        return [self["from"], self["to"]]

    @property
    def has_bounds(self) -> bool:
        return any(field.value() for field in self.bounds)

    def wanted(self) -> Wanted:
        """Of what was understood; call `is_valid` first."""
        given = self.cleaned_data
        key, day = self._keys.get(given.get("key", "")), given.get("day")
        span, charged = self._span(), None
        if day:
            start = datetime(day.year, day.month, day.day, tzinfo=UTC)
            charged = Span(start, start + timedelta(days=1))
            span = Span(start - LONGEST, charged.end)
        which = Which(
            user_id=self.user.pk,
            span=span,
            key_id=key.pk if key else None,
            model=given.get("model", ""),
            endpoint=given.get("endpoint", ""),
            status=given.get("status", ""),
            charged=charged,
        )
        return Wanted(which, self.zone, given.get("by", ""), day)

    def clean_day(self) -> date | None:
        day: date | None = self.cleaned_data["day"]
        if day is not None and day.year not in YEARS:
            raise forms.ValidationError(_("There is no such day here."))
        return day

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        moments: dict[str, datetime | None] = {}
        for name in ("from", "to"):
            try:
                moments[name] = self._bound(name, given[name]) if given.get(name) else None
            except NotAMoment:
                self.add_error(name, _("Write it like 2026-11-22 14:30."))
        if (start := moments.get("from")) and (end := moments.get("to")) and start >= end:
            self.add_error("to", _("This is not after the beginning."))
            moments = {}
        return {**given, "from": None, "to": None, **moments}

    def _bound(self, name: str, text: str) -> datetime:
        moment, is_day = parse_moment(text, self.zone)
        if is_day and name == "to":  # the whole of that day
            return periods.midnight(moment.astimezone(self.zone).date() + timedelta(days=1), self.zone)
        return moment

    def _span(self) -> Span:
        given = self.cleaned_data
        if given.get("from") or given.get("to"):
            return Span(given.get("from"), given.get("to"))
        chosen = given.get("time") or USUAL
        if chosen == "all":
            return Span()
        if _MONTH.fullmatch(chosen):
            return periods.month_of(date(int(chosen[:4]), int(chosen[5:]), 1), self.zone)
        return periods.last_days(int(chosen), self.now, self.zone)

    def _times(self) -> Iterable[tuple[Any, Any]]:
        first = periods.today(self.now, self.zone).replace(day=1)
        months = []
        for _number in range(MONTHS):
            months.append(f"{first:%Y-%m}")
            first = (first - timedelta(days=1)).replace(day=1)
        given = str(self.data.get("time", ""))
        if _MONTH.fullmatch(given) and given not in months:
            months.append(given)
        rest = [(name, words) for name, words in SPANS.items() if name not in {USUAL, "all"}]
        days = [("", SPANS[USUAL]), *rest]
        if given == USUAL:
            days.append((USUAL, SPANS[USUAL]))
        order = list(SPANS)
        days.sort(key=lambda choice: order.index(choice[0] or USUAL))
        return [*days, *((month, month) for month in months), ("all", SPANS["all"])]

    def _choose(self, name: str, choices: Iterable[tuple[Any, Any]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = list(choices)
