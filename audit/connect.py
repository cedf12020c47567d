"""Connects a vault: looks at it, adds where its lines come from, keeps what exists there, and waits for lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings
from django.db import transaction

from accounts import trail
from accounts.models import User
from audit import absence, actions, arrival, receivers
from audit.dictionary import Dictionary, MountInfo
from audit.ingest import connect as own_connection
from audit.models import Device, ReceiverToken, Source
from audit.models import Vault as AuditedVault
from audit.sources.file import UnusableFile
from audit.sources.spool import KIND
from inventory import sync
from inventory.look import Look, look
from inventory.models import Connection, Mount
from kit.check import Check
from vault.address import checked
from vault.errors import VaultError
from vault.server import Server

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,99}")


class Unusable(Exception):
    """The vault can't be connected as asked; the message says why and what to do, and nothing was changed."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What an operator asked for: a vault, and its lines from a file, from the receiver, or from a known source."""

    vault: str
    address: str
    namespace: str = ""
    plain_http: bool = False
    ca_file: str = ""
    path: str = ""
    receiver: bool = False
    device: str = ""
    accept_rights: bool = False

    @property
    def device_name(self) -> str:
        """The audit device, by default named for its kind."""
        return self.device or ("http" if self.receiver else "file")


@dataclass(slots=True)
class Connected:
    """What was done: every check, the sources, and a receiver's token where one was made (shown once)."""

    checks: list[Check] = field(default_factory=list)
    connection: Connection | None = None
    sources: list[Source] = field(default_factory=list)
    token: str = ""
    found: Look = field(default_factory=Look)


def wanted(wish: Wish) -> Connection:
    """Return the unsaved connection that a wish describes; raises `Unusable` for a name or an address that is none.

    Under an address that is known, the certificate and the leave for plain http stay as they are unless the wish
    names them: a page that asks for another look knows neither.
    """
    if not NAME.fullmatch(wish.vault):
        raise Unusable(
            f"The vault's name {wish.vault!r} can't be used. Take letters, digits, '.', '_', '-' and blanks."
        )
    namespace = wish.namespace.strip("/")
    one = Connection.objects.filter(vault=wish.vault, namespace=namespace).first()
    one = one or Connection(vault=wish.vault, namespace=namespace)
    same = one.address == wish.address.strip().rstrip("/")
    plain_http, ca_file = wish.plain_http or (same and one.plain_http), wish.ca_file or (one.ca_file if same else "")
    try:
        one.address = checked(wish.address, plain_http=plain_http)
    except VaultError as error:
        raise Unusable(f"The address can't be used: {error}. Nothing was changed.") from None
    one.plain_http, one.ca_file = plain_http, ca_file
    return one


def connect(
    wish: Wish, server: Server, connection: Connection, *, actor: User | str, tell: Callable[[Check], None]
) -> Connected:
    """Look at the vault, then keep connection, source and inventory in one transaction; raises `Unusable`.

    What `Unusable` stops has changed nothing; its checks were told.
    """
    done = Connected(found=look(server))
    for check in done.found.checks:
        done.checks.append(check)
        tell(check)
    _must_be_usable(wish, done.found)
    if wish.path and (wrong := absence.about_file(wish.path, done.found.devices)):
        done.checks.append(wrong)
        tell(wrong)
        raise Unusable(f"{_sentence(wrong.detail)} {wrong.mend} Nothing was changed.")
    with transaction.atomic():
        connection.save()
        done.connection = connection
        done.sources, done.token = _sources(wish, actor)
        sync.keep(connection, done.found)
        details: dict[str, trail.Detail] = {"address": connection.address, "sources": [s.pk for s in done.sources]}
        subject = trail.Subject("connection", connection.pk, str(connection))
        trail.record(actor, "audit.vault.connected", subject, details=details)
    learn_mounts(wish.vault)
    return done


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."


def _must_be_usable(wish: Wish, found: Look) -> None:
    if not found.usable:
        last = found.checks[-1]
        raise Unusable(f"{_sentence(last.detail)} {last.mend} Nothing was changed.".replace("..", "."))
    if found.excess and not wish.accept_rights:
        worst = found.checks[-1].detail
        raise Unusable(
            f"{_sentence(worst)} Make a token with the printed policy alone, or say --accept-rights to use it all "
            "the same. Nothing was changed."
        )


def _sources(wish: Wish, actor: User | str) -> tuple[list[Source], str]:
    """Add what was asked for; without a wish, the sources that the vault already has. Raises `Unusable`."""
    if wish.path:
        try:
            return [actions.follow_file(wish.path, vault=wish.vault, device=wish.device_name)], ""
        except UnusableFile as error:
            raise Unusable(str(error)) from None
    if wish.receiver:
        return _receiver(wish, actor)
    known = list(Source.objects.filter(device__vault__name=wish.vault).select_related("device__vault"))
    if not known:
        raise Unusable(
            f"Nothing says where the lines of {wish.vault} come from. Add --file PATH for its audit log, or --receiver "
            "for its http device. Nothing was changed."
        )
    return known, ""


def _receiver(wish: Wish, actor: User | str) -> tuple[list[Source], str]:
    """A device with a live token keeps it: asking twice makes no second one."""
    known = Source.objects.filter(device__vault__name=wish.vault, device__name=wish.device_name, kind=KIND)
    source = known.select_related("device__vault").first()
    if source and ReceiverToken.objects.filter(device=source.device, revoked_at=None).exists():
        return [source], ""
    try:
        source, token = receivers.add_receiver(wish.vault, wish.device_name, actor=actor)
    except receivers.UnusableToken as error:
        raise Unusable(str(error)) from None
    return [source], token


def learn_mounts(vault: str) -> None:
    """Hand KV versions and accessors of a connected vault to ingestion, which else learns them from answers."""
    one, _ = AuditedVault.objects.get_or_create(name=vault)
    device = Device.objects.filter(vault=one).order_by("pk").first()
    mounts = Mount.objects.filter(connection__vault=vault, gone_at=None).select_related("connection")
    with own_connection() as looker:
        words = Dictionary(looker, one.pk, device.pk if device else 0)
        words.settle_mounts([_known(mount) for mount in mounts])


def _known(mount: Mount) -> MountInfo:
    namespace = mount.connection.namespace
    return MountInfo(f"{namespace}/" if namespace else "", mount.path, mount.type, mount.accessor, mount.kv_version)


def wait_for_lines(
    done: Connected, server: Server, seconds: float, watch: Callable[[arrival.Seen], None] = lambda _: None
) -> Check:
    """Make a call of our own and wait until its line arrives by the first source, or say why it does not."""

    def knock() -> str:
        try:
            return server.knock()
        except VaultError:
            return ""

    waiting = arrival.begin(done.sources[0], knock)
    found = arrival.wait(waiting, seconds, watch)
    check = arrival.arrived(found) if found else absence.why_not(waiting, done.found.devices)
    done.checks.append(check)
    return check


def stanza(token: str) -> str:
    """Return the audit device for the vault server's configuration that posts to our receiver."""
    address = settings.KEYBOOK.url and settings.KEYBOOK.url.split("://")[-1].split("/")[0].split(":")[0]
    uri = f"https://{address}:8090/audit" if address else f"http://{absence.receiver_address()}/audit"
    return (
        'audit "http" "keybook" {\n'
        "  options = {\n"
        f'    uri     = "{uri}"\n'
        f'    headers = "{{\\"Authorization\\":[\\"Bearer {token}\\"]}}"\n'
        "  }\n"
        "}\n"
    )
