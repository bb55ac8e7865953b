"""The rules the programme starts with. A later rule is another row with its own date."""

from datetime import UTC, datetime

from django.db import migrations

UNIT = 1_000_000_000  # nano of the console currency

VERSION_ONE = {
    "effective_from": datetime(2026, 1, 1, tzinfo=UTC),
    "enabled": True,
    "rate_bp": 1000,
    "earning_days": 365,
    "holding_days": 14,
    "cap_per_referee_nano": 200 * UNIT,
    "cap_per_month_nano": 1000 * UNIT,
    "threshold_nano": 50 * UNIT,
    "fee_nano": 0,
    "second_person_above_nano": 200 * UNIT,
    "expire_after_days": 30,
    "payout_methods": ["alipay", "wechat", "bank"],
}


def add_version_one(apps, schema_editor):
    apps.get_model("referrals", "Policy").objects.get_or_create(version=1, defaults=VERSION_ONE)


class Migration(migrations.Migration):
    dependencies = [("referrals", "0002_reward_parts_and_second_person")]

    operations = [migrations.RunPython(add_version_one, migrations.RunPython.noop)]
