"""The areas to which a person's view is limited."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_sessions_end_and_links_set_passwords"),
    ]

    operations = [
        migrations.CreateModel(
            name="PersonArea",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("vault", models.CharField(blank=True, default="", max_length=200)),
                ("namespace", models.CharField(blank=True, default="", max_length=500)),
                ("prefix", models.CharField(blank=True, default="", max_length=1000)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="areas", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
    ]
