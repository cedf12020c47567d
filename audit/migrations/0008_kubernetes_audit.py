"""A name may stand for a Kubernetes cluster; a caller's token may be bound to a pod."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

# Until now every log was a vault's; a name under which nothing was read stands for neither.
KNOWN = "UPDATE audit_vault v SET kind = 'vault' WHERE EXISTS (SELECT FROM audit_device d JOIN audit_generation g ON g.device_id = d.id WHERE d.vault_id = v.id)"


class Migration(migrations.Migration):
    dependencies = [("audit", "0007_leases")]

    operations = [
        migrations.AddField("generation", "others", models.BigIntegerField(db_default=0, default=0)),
        migrations.AddField("vault", "kind", models.CharField(blank=True, db_default="", default="", max_length=20)),
        migrations.RunSQL(KNOWN, migrations.RunSQL.noop),
        migrations.CreateModel(
            name="PodClaim",
            fields=[
                (
                    "token",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="audit.token",
                    ),
                ),
                ("namespace", models.TextField()),
                ("pod", models.TextField()),
                ("uid", models.TextField()),
                ("node", models.TextField(blank=True)),
            ],
            options={"indexes": [models.Index(fields=["uid"], name="audit_podclaim_uid")]},
        ),
    ]
