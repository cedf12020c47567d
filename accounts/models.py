"""Who may enter: people with one role each, and the one-time links that let them in."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class Role(models.TextChoices):
    """What a person may do; each role includes the ones before it, but an approver never approves their own request."""

    READER = "reader"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMINISTRATOR = "administrator"


class User(AbstractUser):
    """A person. Ours from the first day, because the user table can't be exchanged once other tables point at it."""

    role = models.CharField(max_length=16, choices=Role.choices, default=Role.READER)


class EntryLink(models.Model):
    """A link that signs one person in, once, until it ends; only the SHA-256 of its code is kept."""

    code_sha256 = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="entry_links")
    made = models.DateTimeField(auto_now_add=True)
    ends = models.DateTimeField()
    used = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """Name the person and the end; the code itself is not known here."""
        return f"link for {self.user} until {self.ends:%Y-%m-%d %H:%M:%S}"
