"""Why a source's lines do not arrive: which of the six usual reasons it is, each with its mend."""

from __future__ import annotations

import os
import pwd
import socket
import stat
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from audit.arrival import NAME, Wait, size_of
from audit.models import ReceiverToken, Source, Spool
from audit.sources.file import UnusableFile, family, open_log
from audit.sources.spool import KIND
from kit.check import Check
from vault.server import AuditDevice

_SEARCHED = 32 * 1024 * 1024  # bytes of the end of a file in which our own call is looked for
_NEIGHBOURS = 40  # files beside the log that are looked through
_RESTART = "Have the vault open its log anew after a rotation: send its server SIGHUP."


def why_not(waiting: Wait, devices: Sequence[AuditDevice] | None = None) -> Check:
    """Find the usual reason why nothing arrived; `devices` are the vault's own words about its audit devices."""
    source = Source.objects.select_related("device__vault").get(pk=waiting.source.pk)
    if source.kind == KIND:
        return _why_not_received(waiting, source)
    return about_file(source.settings["path"], devices) or _why_not_read(waiting, source, devices)


# The file itself: reasons 1 (not there), 2 (not readable), 3 (outside of KEYBOOK_LOG_ROOTS) -------------------------


def about_file(path: str, devices: Sequence[AuditDevice] | None = None) -> Check | None:
    """Say why a log can't be read by this process; None when it can."""
    try:
        open_log(path, settings.KEYBOOK.log_roots.split(":")).close()
    except UnusableFile as error:
        if not os.path.lexists(path):
            return _not_there(path, devices)
        return _not_readable(path) or Check(
            NAME, False, str(error), "Add its folder to KEYBOOK_LOG_ROOTS, and restart."
        )
    return None


def _not_there(path: str, devices: Sequence[AuditDevice] | None) -> Check:
    others = _told_paths(devices)
    if others and path not in others:
        detail = f"{path} is not there: the vault says that it writes to {' and '.join(others)}"
        return Check(NAME, False, detail, f"Give --file {others[0]}, or the place where this machine sees that file.")
    if not Path(path).parent.exists():
        mend = "Mount the vault's log folder here, or check the path."
        return Check(NAME, False, f"{path} is not there, nor is its folder", mend)
    mend = "Compare with file_path of the audit device (`bao audit list -detailed`)."
    return Check(NAME, False, f"{path} is not there: the vault writes somewhere else, or has no file device", mend)


def _told_paths(devices: Sequence[AuditDevice] | None) -> list[str]:
    return [one.file_path for one in devices or () if one.type == "file" and one.file_path]


def _not_readable(path: str) -> Check | None:
    """Reason 2, with whose the file is, its mode, and who we are; None when permission is not what is wrong."""
    try:
        facts = Path(path).stat()
    except PermissionError:
        mend = f"Let {_me()} pass through every folder above it (x), for example by the group of the vault's user."
        return Check(NAME, False, f"{_me()} may not look into the folder of {path}", mend)
    except OSError:
        return None
    if not stat.S_ISREG(facts.st_mode) or os.access(
        path, os.R_OK, effective_ids=os.access in os.supports_effective_ids
    ):
        return None
    detail = f"{path} belongs to {_user(facts.st_uid)} with mode {stat.S_IMODE(facts.st_mode):04o}; we are {_me()}"
    mend = 'Set mode = "0640" in the options of the audit device, and put our user into the file\'s group.'
    return Check(NAME, False, f"{detail}, who may not read it", mend)


def _me() -> str:
    return _user(os.geteuid())


def _user(uid: int) -> str:
    try:
        return f"uid {uid} ({pwd.getpwuid(uid).pw_name})"
    except KeyError:
        return f"uid {uid}"


# Written, but not there or not read: reasons 4 (nobody writes to it) and 5 (nothing reads) --------------------------


def _why_not_read(waiting: Wait, source: Source, devices: Sequence[AuditDevice] | None) -> Check:
    path = str(source.settings["path"])
    if source.trouble:
        mend = "The ingest worker may run as another user or elsewhere than this command: mend it for the worker."
        return Check(NAME, False, f"the ingest worker says: {source.trouble}", mend)
    if not waiting.knock:
        return _why_without_knock(waiting, source, path)
    if holds(path, waiting.knock):
        return _why_unread(waiting, source)
    return _written_elsewhere(waiting, path, _told_paths(devices)) or _not_written(waiting, source, path)


def _written_elsewhere(waiting: Wait, path: str, told: list[str]) -> Check | None:
    beside = [str(one) for one in _neighbours(path) if holds(str(one), waiting.knock)]
    if beside:
        detail = f"nobody writes to {path}: the vault still writes to {beside[0]}, which was {path} before a rotation"
        return Check(NAME, False, detail, _RESTART)
    if told and path not in told:
        detail = f"our call is not in {path}: the vault says that it writes to {' and '.join(told)}"
        return Check(NAME, False, detail, f"Give --file {told[0]}, or the place where this machine sees that file.")
    return None


def _not_written(waiting: Wait, source: Source, path: str) -> Check:
    if size_of(source) > waiting.size:
        detail = f"{path} grows, but our own call is not in it: the log belongs to another vault or another node"
        mend = "Compare the address with the machine that writes this file; each node of a cluster writes its own."
        return Check(NAME, False, detail, mend)
    detail = f"nobody writes to {path}: our own call was answered, and the file did not grow"
    mend = f"Check that the vault has a file device with this file_path. If the file was rotated: {_RESTART}"
    return Check(NAME, False, detail, mend)


def _why_without_knock(waiting: Wait, source: Source, path: str) -> Check:
    if size_of(source) > waiting.size:
        return _why_unread(waiting, source)
    detail = f"nobody wrote to {path} since {waiting.began:%H:%M:%S} UTC, and without a token we made no call ourselves"
    return Check(NAME, False, detail, f"Make a call, such as `bao token lookup`. If the file was rotated: {_RESTART}")


def _why_unread(waiting: Wait, source: Source) -> Check:
    return nothing_reads(source, waiting.began) or Check(
        NAME,
        False,
        f"the lines are in {source.settings.get('path')} and were read, and none became an event of {source.device}",
        "See manage.py doctor: quarantine says which bytes are no audit lines and why.",
    )


def nothing_reads(source: Source, since: datetime) -> Check | None:
    """Say that no worker read the source since then; None when one did."""
    if source.drained_at is not None and source.drained_at >= since:
        return None
    when = f"since {source.drained_at:%Y-%m-%d %H:%M:%S} UTC" if source.drained_at else "yet"
    mend = "Start the ingest worker and beat (see docs/operations.md), or manage.py follow."
    return Check(
        NAME, False, f"lines are there, but nothing reads: no ingest worker has read {source.device} {when}", mend
    )


def holds(path: str, knock: str) -> bool:
    """Whether a request id stands near the end of a file."""
    try:
        with Path(path).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _SEARCHED))
            return knock.encode() in file.read(_SEARCHED)
    except OSError:
        return False


def _neighbours(path: str) -> list[Path]:
    """The files beside a log that were written last, the log itself left out."""
    live = Path(path)
    try:
        found = [one for one in live.parent.iterdir() if one.is_file() and one.name != live.name]
        return sorted({*found, *family(live)} - {live}, key=lambda one: -one.stat().st_mtime)[:_NEIGHBOURS]
    except OSError:
        return []


# The receiver: reason 6 (it is not reached), or nothing takes what it received ---------------------------------------


def _why_not_received(waiting: Wait, source: Source) -> Check:
    device = source.device
    if Spool.objects.filter(device_id=device.pk).exists():
        waits = nothing_reads(source, waiting.began)
        return waits or Check(NAME, False, "lines were received and wait for their turn", "Look again in a minute.")
    live = ReceiverToken.objects.filter(device=device, revoked_at=None)
    if not live:
        mend = f"Make one: manage.py receiver_token --vault {device.vault} --device {device.name}."
        return Check(NAME, False, f"{device} has no live receiver token, so every POST is answered with 401", mend)
    used = [one.used_at for one in live if one.used_at is not None]
    if used and max(used) >= waiting.began - timedelta(minutes=1):
        detail = "lines come with this token, but our own call is not among them: they belong to another vault"
        return Check(NAME, False, detail, "Give each vault a token of its own, and check the address.")
    return _not_reached(device.name, max(used, default=None))


def _not_reached(device: str, used: datetime | None) -> Check:
    address = receiver_address()
    if not _listens(address):
        mend = "Start it: python -m receiver; KEYBOOK_RECEIVER says where it listens."
        return Check(NAME, False, f"the receiver does not answer at {address}", mend)
    before = f"since {used:%Y-%m-%d %H:%M} UTC" if used else "yet"
    mend = (
        "In order: the vault was restarted with the device; its token is this one (401 in the receiver's log); its "
        "uri ends in /audit and its certificate is trusted; from the vault's machine, "
        f"`curl -i http://{address}/audit` answers 405. If it answers 503, PostgreSQL takes no lines: its log says why."
    )
    return Check(NAME, False, f"no line has come with a token of {device} {before}; the receiver itself listens", mend)


def receiver_address() -> str:
    """Return host:port of the receiver as this machine would reach it."""
    host, _, port = settings.KEYBOOK.receiver.rpartition(":")
    return f"{'127.0.0.1' if host in ('0.0.0.0', '[::]', '') else host}:{port}"  # noqa: S104 - compared, not listened on


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
    except (OSError, ValueError):
        return False
    return True
