from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_user_sessions_salt")]

    operations = [
        # db_default: code of the release before inserts people without it.
        migrations.AddField(
            model_name="user",
            name="time_zone",
            field=models.CharField(max_length=64, default="UTC", db_default="UTC"),
        ),
    ]
