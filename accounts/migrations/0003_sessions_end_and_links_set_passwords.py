"""Sessions that end with a person's rights, and links that let somebody choose a password."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_trail")]

    operations = [
        migrations.AddField("user", "epoch", models.PositiveIntegerField(default=0)),
        migrations.AddField("entrylink", "sets_password", models.BooleanField(default=False)),
    ]
