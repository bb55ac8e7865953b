"""The history of a withdrawal is written once: the database refuses every change of it.

Uses the refusal and, on SQLite, the test switch that the ledger's guards brought.
"""

from django.db import migrations

TABLE = "referrals_withdrawalevent"


def install(apps, schema_editor):
    remove(apps, schema_editor)
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"CREATE TRIGGER {TABLE}_no_change BEFORE UPDATE OR DELETE ON {TABLE} "
            "FOR EACH ROW EXECUTE FUNCTION ledger_refuse()",
            params=None,
        )
        return
    for change in ("update", "delete"):
        schema_editor.execute(
            f"CREATE TRIGGER {TABLE}_no_{change} BEFORE {change.upper()} ON {TABLE} "
            "WHEN NOT EXISTS (SELECT 1 FROM ledger_unlock) "
            f"BEGIN SELECT RAISE(ABORT, 'CHECK constraint failed: {TABLE}_no_{change}'); END",
            params=None,
        )


def remove(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {TABLE}_no_change ON {TABLE}", params=None)
        return
    for change in ("update", "delete"):
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {TABLE}_no_{change}", params=None)


class Migration(migrations.Migration):
    dependencies = [("referrals", "0003_policy_version_one"), ("billing", "0003_guards")]

    operations = [migrations.RunPython(install, remove)]
