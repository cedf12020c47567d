"""Who may enter: people with one role each, the one-time links that let them in, and the trail they leave."""

from __future__ import annotations

from types import MappingProxyType

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now, Upper
from django.utils.crypto import salted_hmac


class Role(models.TextChoices):
    """What a person may do; each role includes the ones before it, but an approver never approves their own request."""

    READER = "reader"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMINISTRATOR = "administrator"


class User(AbstractUser):
    """A person. Ours from the first day, because the user table can't be exchanged once other tables point at it."""

    role = models.CharField(max_length=16, choices=Role.choices, default=Role.READER)
    epoch = models.PositiveIntegerField(default=0)
    time_zone = models.CharField(max_length=64, default="UTC")  # `accounts.time_zone`: how pages print times

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Return what every session of this person must carry: it ends with their password, role or epoch."""
        state = f"{self.password}\0{self.role}\0{self.epoch}"
        return salted_hmac("accounts.models.User.session", state, secret=secret, algorithm="sha256").hexdigest()


class EntryLink(models.Model):
    """A link that lets one person in, once, until it ends; only the SHA-256 of its code is kept."""

    code_sha256 = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="entry_links")
    made = models.DateTimeField(auto_now_add=True)
    ends = models.DateTimeField()
    used = models.DateTimeField(null=True)
    sets_password = models.BooleanField(default=False)

    def __str__(self) -> str:
        """Name the person and the end; the code itself is not known here."""
        return f"link for {self.user} until {self.ends:%Y-%m-%d %H:%M:%S}"


class AreaRow(models.Model):
    """An area (`accounts.scope.Area`) as a row; an empty part means any."""

    LONGEST = MappingProxyType({"vault": 200, "namespace": 500, "prefix": 1000})

    vault = models.CharField(max_length=LONGEST["vault"], blank=True, default="")
    namespace = models.CharField(max_length=LONGEST["namespace"], blank=True, default="")
    prefix = models.CharField(max_length=LONGEST["prefix"], blank=True, default="")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return "/".join(part for part in (self.vault or "any vault", self.namespace, self.prefix) if part)


class PersonArea(AreaRow):
    """One area to which a person's view is limited; several are taken together."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="areas")


class ApiToken(models.Model):
    """What a script shows instead of signing in; only the SHA-256 is kept, and the row stays when the token ends.

    `refused` tells the last time that it came when it was no longer good, or from elsewhere: a trace, not a count.
    """

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    sha256 = models.BinaryField(max_length=32, unique=True)
    scopes = ArrayField(models.CharField(max_length=40))
    networks = ArrayField(models.CharField(max_length=50), default=list)
    made = models.DateTimeField()
    expires = models.DateTimeField()
    used = models.DateTimeField(null=True)
    revoked = models.DateTimeField(null=True)
    refused = models.DateTimeField(null=True)
    refused_why = models.CharField(max_length=20, default="")
    refused_from = models.CharField(max_length=45, default="")

    def __str__(self) -> str:
        """Name the token and its owner; the token itself is not known here."""
        return f"{self.name} of {self.owner}"


class TokenArea(AreaRow):
    """One area to which a token is limited, within what its owner sees; several are taken together."""

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="areas")


class TrailEntry(models.Model):
    """One thing that somebody did in Keybook. Written once by `accounts.trail`; the database refuses to change it.

    The actor is a number and a name, no foreign key: an entry must outlive whatever it tells of, unchanged. Position,
    previous and hash are PostgreSQL's to give, when the transaction commits: until then an entry has none of them.
    """

    at = models.DateTimeField(db_default=Now())
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=500)
    verb = models.CharField(max_length=100)
    subject_kind = models.CharField(max_length=40)
    subject_id = models.BigIntegerField(null=True)
    subject_text = models.CharField(max_length=500)
    details = models.JSONField(default=dict)
    address = models.CharField(max_length=45)
    session = models.CharField(max_length=16)
    position = models.BigIntegerField(null=True, unique=True, editable=False)
    previous = models.CharField(max_length=64, default="", editable=False)
    hash = models.CharField(max_length=64, default="", editable=False)

    class Meta:
        indexes = (
            models.Index(fields=["actor_name", "position"], name="accounts_trail_by_actor"),
            models.Index(fields=["at"], name="accounts_trail_by_time"),
            # What approvals are judged by: what was done to a change or an account, and under which names.
            models.Index(
                fields=["subject_kind", "subject_id"],
                name="accounts_trail_by_subject",
                condition=models.Q(subject_id__isnull=False),
            ),
            models.Index(
                fields=["actor_id", "actor_name"],
                name="accounts_trail_by_account",
                condition=models.Q(actor_id__isnull=False),
            ),
            models.Index(Upper("subject_text"), name="accounts_trail_by_name", condition=models.Q(subject_kind="user")),
        )

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.verb} {self.subject_text}"


class ApiCount(models.Model):
    """How many requests of the API one caller made in one minute; every web process counts here."""

    caller = models.CharField(max_length=40, primary_key=True)
    minute = models.DateTimeField()
    requests = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.requests} requests of {self.caller} at {self.minute:%H:%M}"
