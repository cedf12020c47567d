"""Opens what was handed over for a change, in the worker that holds the key, and empties the row once it was used."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models.functions import Now

from rotation import lifecycle, sealing
from rotation.handing import latest
from rotation.models import Change, Handed, SealKey
from rotation.sealing import Unsealable


@dataclass(frozen=True, slots=True)
class Given:
    """The wrapping token that was handed over last; `number` names it in rows, and `token` is in memory alone."""

    number: int
    by: str
    _sealed: bytes
    _file: str
    _change: str

    def token(self) -> str:
        """Return the token; raises `rotation.sealing.Unsealable`."""
        return sealing.opened(self._sealed, self._file, self._change)

    def used(self) -> None:
        """Note that it wraps nothing any more, and keep no more of it."""
        Handed.objects.filter(pk=self.number, opened_at=None).update(sealed=b"", opened_at=Now())


def given(change: str, file: str) -> Given | None:
    """Return what was handed over last for a change (`C-215`) and not used yet, None for nothing."""
    found = latest(Change(pk=int(change.removeprefix("C-"))))
    if found is None or not found.sealed:
        return None
    return Given(found.pk, found.by_name, bytes(found.sealed), file, change)


@transaction.atomic
def publish(file: str) -> None:
    """Let the web process know the key to seal for, if it is another than before; raises `Unsealable`."""
    key = sealing.public(file)
    if SealKey.objects.filter(ended_at=None, public_key=key).exists():
        return
    SealKey.objects.filter(ended_at=None).update(ended_at=Now())
    SealKey.objects.create(public_key=key, mark=sealing.mark(key))


def forget() -> int:
    """Empty what was handed over for changes that are over, or that another took the place of; returns how many."""
    left = Handed.objects.exclude(sealed=b"")
    newest = dict(left.order_by("pk").values_list("change_id", "pk"))
    over = left.filter(change__state__in=lifecycle.OVER) | left.exclude(pk__in=newest.values())
    return Handed.objects.filter(pk__in=list(over.values_list("pk", flat=True))).update(sealed=b"")


__all__ = ["Given", "Unsealable", "forget", "given", "publish"]
