"""`clean` hid the method of that name that every model has."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_guards")]
    operations = [migrations.RenameField("ledgeraudit", "clean", "is_clean")]
