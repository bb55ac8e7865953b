"""Take one guard of the database away, and put it back: what the tests of the tests are made of.

A guard is a trigger, a constraint (named as declared) or a unique field (`Model.field`). The probes stand beside what
they probe: tests/unit/billing/test_guards.py and tests/unit/referrals/test_guards.py.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from billing import guards, ledger

APPS = ("billing", "referrals")  # with money in their tables
# PostgreSQL changes its schema inside of a transaction and takes that back; SQLite rebuilds tables outside of one.
ROLLS_BACK = connection.vendor == "postgresql"
schema_changes = pytest.mark.django_db(transaction=not ROLLS_BACK)


@dataclass(frozen=True)
class Probe:
    """What a guard is for: with it this fails and names it, without it this goes through."""

    name: str
    attempt: Callable[[], object]


def named(probes: Iterable[Probe]) -> list[object]:
    return [pytest.param(probe, id=probe.name) for probe in probes]


# --- damage -----------------------------------------------------------------------------------------------------------
def change(model: type[models.Model], **values: object) -> int:
    """One row, by an UPDATE as from a shell."""
    return model._base_manager.filter(pk=model._base_manager.order_by("pk").values("pk")[:1]).update(**values)


def twice(row: models.Model) -> models.Model:
    """A copy of a row under another primary key."""
    row.pk = None if isinstance(row._meta.pk, models.AutoField) else f"copy-of-{row.pk}"
    row._state.adding = True
    row.save(force_insert=True)
    return row


def twice_but(model: type[models.Model], **other: object) -> None:
    """A copy of the first row with some values of its own."""
    row = model._base_manager.order_by("pk")[0]
    for name, value in other.items():
        setattr(row, name, value)
    twice(row)


# --- what there is ----------------------------------------------------------------------------------------------------
def declared(app: str) -> set[str]:
    """Every constraint of an app's models and every unique field, as names of probes."""
    found = set()
    for model in apps.get_app_config(app).get_models(include_auto_created=True):
        assert not model._meta.unique_together, f"{model.__name__}: write it as a UniqueConstraint"
        found |= {constraint.name for constraint in model._meta.constraints}
        found |= {
            f"{model.__name__}.{field.name}"
            for field in model._meta.local_fields
            if field.unique and not field.primary_key
        }
    return found


def triggers(app: str) -> set[str]:
    """Every trigger that this database has on an app's tables."""
    tables = {model._meta.db_table for model in apps.get_app_config(app).get_models()}
    if connection.vendor == "postgresql":
        query = "SELECT tgname, relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal"
    else:
        query = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'"
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {name for name, table in cursor.fetchall() if table in tables}


def rule_of(name: str) -> tuple[type[models.Model], Any]:
    """The constraint of that name, or the unique field `Model.field`."""
    owner, _, field = name.rpartition(".")
    for model in (model for app in APPS for model in apps.get_app_config(app).get_models()):
        for constraint in model._meta.constraints:
            if constraint.name == name:
                return model, constraint
        if owner == model.__name__:
            return model, model._meta.get_field(field)
    raise LookupError(name)


# --- with it and without it -------------------------------------------------------------------------------------------
def only_this_trigger_refuses(probe: Probe) -> None:
    """The trigger refuses the probe by name; without the trigger nothing does."""
    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        probe.attempt()
    assert ledger.refused_by(refused.value) == probe.name
    with transaction.atomic():
        drop_trigger(probe.name)
        probe.attempt()
        transaction.set_rollback(True)


def only_this_constraint_refuses(probe: Probe) -> None:
    """As above; the test is marked with `schema_changes`."""
    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        probe.attempt()
    assert is_named_in(refused.value, probe.name)
    with without(probe.name), transaction.atomic():
        probe.attempt()
        transaction.set_rollback(True)
    with pytest.raises(IntegrityError), transaction.atomic():
        probe.attempt()


def is_named_in(error: IntegrityError, name: str) -> bool:
    """SQLite names the columns of a unique constraint instead of the constraint."""
    model, rule = rule_of(name)
    if isinstance(rule, models.CheckConstraint) or connection.vendor == "postgresql":
        return name.rpartition(".")[2] in ledger.refused_by(error)
    fields = rule.fields if isinstance(rule, models.UniqueConstraint) else [rule.name]
    columns = [model._meta.get_field(field) for field in fields]
    return all(f"{model._meta.db_table}.{column.column}" in str(error) for column in columns)  # type: ignore[union-attr] # a column, not a reverse relation


@contextmanager
def without(name: str) -> Iterator[None]:
    """The database with everything but this one constraint."""
    model, rule = rule_of(name)
    kept = model._meta.constraints
    loose: Any = None if isinstance(rule, models.BaseConstraint) else _loosened(model, rule)
    if not ROLLS_BACK and loose is None:
        model._meta.constraints = [other for other in kept if other is not rule]  # SQLite rebuilds from these
    try:
        with transaction.atomic() if ROLLS_BACK else nullcontext():
            _alter(
                lambda editor: (
                    editor.alter_field(model, rule, loose) if loose else editor.remove_constraint(model, rule)
                )
            )
            yield
            if ROLLS_BACK:
                transaction.set_rollback(True)
    finally:
        model._meta.constraints = kept
        if not ROLLS_BACK:
            _alter(
                lambda editor: editor.alter_field(model, loose, rule) if loose else editor.add_constraint(model, rule)
            )


def _alter(change: Callable[[BaseDatabaseSchemaEditor], None]) -> None:
    if ROLLS_BACK:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # nothing may be waiting for the end of the transaction
    with connection.schema_editor() as editor:
        if not ROLLS_BACK:
            guards.remove(editor)
        change(editor)
        if not ROLLS_BACK:
            guards.install(editor)


def _loosened(model: type[models.Model], field: Any) -> Any:
    """The same field, not unique."""
    loose: Any = field.clone()
    if isinstance(field, models.OneToOneField):
        loose = models.ForeignKey[Any, Any](
            field.remote_field.model, on_delete=models.PROTECT, null=field.null, related_name="+"
        )
    loose._unique = False
    loose.set_attributes_from_name(field.name)
    loose.model = model
    return loose


def drop_trigger(name: str) -> None:
    with connection.cursor() as cursor:
        on = ""
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(
                "SELECT relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE tgname = %s", [name]
            )
            on = f" ON {cursor.fetchone()[0]}"
        cursor.execute(f"DROP TRIGGER {name}{on}")
