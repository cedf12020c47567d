"""Which pods were found on an old version of a secret when that was last worked out: kept, so that a page may count."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models


class OldHolding(models.Model):
    """One secret, by its key in the record, with the uids of the pods that held an old version of it at a time."""

    secret = models.BigIntegerField(unique=True)
    pods = ArrayField(models.TextField(), default=list)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{len(self.pods)} pods hold an old version of the secret {self.secret}"
