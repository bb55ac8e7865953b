from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_api_key_client_id")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="sessions_salt",
            field=models.CharField(blank=True, default="", editable=False, max_length=22),
        ),
    ]
