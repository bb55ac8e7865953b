"""A settlement after the deadline says so; no count or price is out of bounds; prices are append-only."""

from django.conf import settings
from django.db import migrations, models

from billing import guards


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_api_key_client_id'),
        ('billing', '0004_audit_is_clean'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='usage',
            name='late',
            field=models.BooleanField(default=False),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('cached_input_nano_per_mtok', None), models.Q(('cached_input_nano_per_mtok__gte', 0), ('cached_input_nano_per_mtok__lte', 9000000000000000000)), _connector='OR'), models.Q(('cache_write_nano_per_mtok', None), models.Q(('cache_write_nano_per_mtok__gte', 0), ('cache_write_nano_per_mtok__lte', 9000000000000000000)), _connector='OR'), models.Q(('reasoning_nano_per_mtok', None), models.Q(('reasoning_nano_per_mtok__gte', 0), ('reasoning_nano_per_mtok__lte', 9000000000000000000)), _connector='OR')), name='price_narrow_bounds'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(('cached_tokens__gte', 0), ('cached_tokens__lte', 9000000000000000000), ('cache_write_tokens__gte', 0), ('cache_write_tokens__lte', 9000000000000000000), ('reasoning_tokens__gte', 0), ('reasoning_tokens__lte', 9000000000000000000), ('images__gte', 0), ('images__lte', 9000000000000000000), ('total_ms__gte', 0), ('total_ms__lte', 9000000000000000000)), name='usage_units'),
        ),
        # SQLite rebuilt the tables and lost their triggers; prices are append-only from here on.
        migrations.RunPython(lambda apps, schema_editor: guards.install(schema_editor), migrations.RunPython.noop),
    ]
