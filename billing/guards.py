"""The rules of the ledger that live in the database itself, as triggers, so that they hold against every writer.

Installed by a migration and proved by the audit and a system check. SQLite rebuilds a table when a later migration
alters it: the table's own triggers are lost, and those of other tables that name it break the rebuild. So a migration
that alters one of these tables begins with `remove` and ends with `install`. Every name here is also the name that a
refusal carries (`refused_by` in billing/ledger.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

ENTRY = "billing_ledgerentry"
TXN = "billing_ledgertxn"
ACCOUNT = "billing_ledgeraccount"
FLOW = "billing_ledgerflow"
SCALE = "billing_ledgerscale"
PRICE = "billing_price"
SEALED = "billing_sealedstatement"
APPEND_ONLY = (TXN, ENTRY, FLOW, SCALE, PRICE, SEALED)  # a charge is explained by the price it was made with

# What must be true of a new entry. `new` is the row; the text is the same on both databases.
ENTRY_RULES = {
    "ledger_entry_flow": f"""EXISTS (
        SELECT 1 FROM {FLOW} f
        JOIN {TXN} t ON t.kind = f.txn_kind
        JOIN {ACCOUNT} d ON d.kind = f.debit_kind
        JOIN {ACCOUNT} c ON c.kind = f.credit_kind
        WHERE t.id = new.txn_id AND d.id = new.debit_id AND c.id = new.credit_id)""",
    "ledger_entry_same_asset": f"""NOT EXISTS (
        SELECT 1 FROM {ACCOUNT} a WHERE a.id IN (new.debit_id, new.credit_id) AND a.asset <> new.asset)""",
    # Money never moves from one person to another by one entry.
    "ledger_entry_one_owner": f"""NOT EXISTS (
        SELECT 1 FROM {ACCOUNT} d JOIN {ACCOUNT} c ON c.id = new.credit_id
        WHERE d.id = new.debit_id AND d.owner_id <> c.owner_id)""",
}
FIXED_COLUMNS = ("kind", "owner_id", "asset", "sign", "guarded", "live")

_SQLITE_UNLOCKED = "EXISTS (SELECT 1 FROM ledger_unlock)"
# Django makes test databases with this prefix; nowhere else does the setting open anything.
_POSTGRES_UNLOCKED = "(current_setting('ledger.unlock', true) = 'on' AND current_database() LIKE 'test\\_%')"


def names(vendor: str) -> set[str]:
    """Every trigger that must be there."""
    changes = ("update", "delete", "truncate") if vendor == "postgresql" else ("update", "delete")
    return {
        *ENTRY_RULES,
        "ledger_entry_balances",
        "ledger_account_fixed",
        *(f"{table}_no_{change}" for table in APPEND_ONLY for change in changes),
    }


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """The triggers that are not in this database, or are switched off."""
    if connection.vendor == "postgresql":
        query = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
    else:
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    with connection.cursor() as cursor:
        cursor.execute(query)
        present = {row[0] for row in cursor.fetchall()}
    return sorted(names(connection.vendor) - present)


def install(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Safe to run again: each trigger is dropped first."""
    remove(schema_editor)
    for statement in statements(schema_editor.connection.vendor).values():
        schema_editor.execute(statement, params=None)


def remove(schema_editor: BaseDatabaseSchemaEditor) -> None:
    vendor = schema_editor.connection.vendor
    if vendor == "sqlite":
        schema_editor.execute(
            "CREATE TABLE IF NOT EXISTS ledger_unlock (id integer PRIMARY KEY CHECK (id = 1))", params=None
        )
    for name in statements(vendor):
        if name.startswith("function "):
            continue
        on = f" ON {table_of(name)}" if vendor == "postgresql" else ""
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {name}{on}", params=None)


def table_of(name: str) -> str:
    """The table that a trigger watches."""
    if name == "ledger_account_fixed":
        return ACCOUNT
    return next((table for table in APPEND_ONLY if name.startswith(f"{table}_no_")), ENTRY)


@contextmanager
def unlocked(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """For the emptying of a test database: rows may be deleted inside. PostgreSQL honours it in `test_…` only."""
    on, off = "INSERT OR IGNORE INTO ledger_unlock VALUES (1)", "DELETE FROM ledger_unlock"
    if connection.vendor == "postgresql":
        on, off = "SET ledger.unlock = 'on'", "RESET ledger.unlock"
    with connection.cursor() as cursor:
        cursor.execute(on)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(off)


def is_unlocked(connection: BaseDatabaseWrapper) -> bool:
    """SQLite only: the switch was left open. PostgreSQL ends it with the session."""
    if connection.vendor == "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_SQLITE_UNLOCKED}")
        return bool(cursor.fetchone()[0])


def statements(vendor: str) -> dict[str, str]:
    """What creates each trigger, by its name; on PostgreSQL functions come first."""
    return _postgres() if vendor == "postgresql" else _sqlite()


def _sqlite() -> dict[str, str]:
    made = {
        name: f"""CREATE TRIGGER {name} BEFORE INSERT ON {ENTRY} WHEN NOT ({rule})
            BEGIN SELECT RAISE(ABORT, 'CHECK constraint failed: {name}'); END"""
        for name, rule in ENTRY_RULES.items()
    }
    made["ledger_entry_balances"] = f"""CREATE TRIGGER ledger_entry_balances AFTER INSERT ON {ENTRY} BEGIN
        UPDATE {ACCOUNT} SET debits = debits + new.amount WHERE id = new.debit_id AND live;
        UPDATE {ACCOUNT} SET credits = credits + new.amount WHERE id = new.credit_id AND live; END"""
    made["ledger_account_fixed"] = f"""CREATE TRIGGER ledger_account_fixed
        BEFORE UPDATE OF {", ".join(FIXED_COLUMNS)} ON {ACCOUNT}
        BEGIN SELECT RAISE(ABORT, 'CHECK constraint failed: ledger_account_fixed'); END"""
    for table in APPEND_ONLY:
        for change in ("update", "delete"):
            name = f"{table}_no_{change}"
            made[name] = f"""CREATE TRIGGER {name} BEFORE {change.upper()} ON {table} WHEN NOT {_SQLITE_UNLOCKED}
                BEGIN SELECT RAISE(ABORT, 'CHECK constraint failed: {name}'); END"""
    return made


def _postgres() -> dict[str, str]:
    made = {
        "function refuse": _function(
            "ledger_refuse",
            "RAISE EXCEPTION 'the ledger refuses: %', TG_NAME USING ERRCODE = '23514', CONSTRAINT = TG_NAME;",
        ),
        # The lower account id first, whatever the direction: two postings between the same accounts cannot deadlock.
        "function balances": _function(
            "ledger_balances",
            f"""IF new.debit_id < new.credit_id THEN
                UPDATE {ACCOUNT} SET debits = debits + new.amount WHERE id = new.debit_id AND live;
                UPDATE {ACCOUNT} SET credits = credits + new.amount WHERE id = new.credit_id AND live;
            ELSE
                UPDATE {ACCOUNT} SET credits = credits + new.amount WHERE id = new.credit_id AND live;
                UPDATE {ACCOUNT} SET debits = debits + new.amount WHERE id = new.debit_id AND live;
            END IF; RETURN NULL;""",
        ),
        "function append_only": _function(
            "ledger_append_only",
            f"""IF {_POSTGRES_UNLOCKED} THEN
                IF TG_OP = 'DELETE' THEN RETURN old; END IF;
                RETURN new;
            END IF;
            RAISE EXCEPTION 'the ledger refuses: %', TG_NAME USING ERRCODE = '23514', CONSTRAINT = TG_NAME;""",
        ),
    }
    for name, rule in ENTRY_RULES.items():
        made[f"function {name}"] = _function(
            f"{name}_rule",
            f"""IF NOT ({rule}) THEN
                RAISE EXCEPTION 'the ledger refuses: %', TG_NAME USING ERRCODE = '23514', CONSTRAINT = TG_NAME;
            END IF; RETURN new;""",
        )
        made[name] = f"CREATE TRIGGER {name} BEFORE INSERT ON {ENTRY} FOR EACH ROW EXECUTE FUNCTION {name}_rule()"
    made["ledger_entry_balances"] = (
        f"CREATE TRIGGER ledger_entry_balances AFTER INSERT ON {ENTRY} FOR EACH ROW EXECUTE FUNCTION ledger_balances()"
    )
    made["ledger_account_fixed"] = f"""CREATE TRIGGER ledger_account_fixed
        BEFORE UPDATE OF {", ".join(FIXED_COLUMNS)} ON {ACCOUNT} FOR EACH ROW EXECUTE FUNCTION ledger_refuse()"""
    for table in APPEND_ONLY:
        for change, each in (("update", "ROW"), ("delete", "ROW"), ("truncate", "STATEMENT")):
            name = f"{table}_no_{change}"
            made[name] = f"""CREATE TRIGGER {name} BEFORE {change.upper()} ON {table}
                FOR EACH {each} EXECUTE FUNCTION ledger_append_only()"""
    return made


def _function(name: str, body: str) -> str:
    return f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
