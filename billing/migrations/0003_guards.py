"""Triggers: balances follow entries, only allowed transfers, append-only."""

from django.db import migrations

from billing import guards


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_system_rows")]
    operations = [
        migrations.RunPython(
            lambda apps, schema_editor: guards.install(schema_editor),
            lambda apps, schema_editor: guards.remove(schema_editor),
        )
    ]
