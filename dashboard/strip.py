"""The status strip: how far the record reaches, each audit device, and how old the picture of each cluster is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from audit.queries import DeviceState
from dashboard.cluster_words import Picture
from dashboard.words import duration, until_clock, visible

SHOWN = 4


@dataclass(frozen=True, slots=True)
class Heard:
    """One device in the strip; `bad` turns it to warn, with an icon and the word `silent`."""

    name: str
    words: str
    bad: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """What the strip says; `complete_until` is empty while no device has spoken."""

    complete_until: str
    devices: list[Heard]
    more: int
    now: datetime
    pictures: Sequence[Picture] = ()


def strip(devices: Sequence[DeviceState], now: datetime, pictures: Sequence[Picture] = ()) -> Strip:
    """Return the strip; silent devices and stale clusters come first; complete is what every device has told."""
    ordered = sorted(devices, key=lambda d: (not d.silent, d.vault, d.device))
    reached = _reached(devices)
    return Strip(
        complete_until=until_clock(reached, now) if reached else "",
        devices=[_heard(d) for d in ordered[:SHOWN]],
        more=max(len(ordered) - SHOWN, 0),
        now=now,
        pictures=sorted(pictures, key=lambda one: (not one.stale, one.cluster))[:SHOWN],
    )


def _reached(devices: Sequence[DeviceState]) -> datetime | None:
    """Return until when every followed device has told all; without one, the oldest of the last imported lines."""
    drained = [d.drained for d in devices if d.followed and d.drained]
    if drained:
        return min(drained) - timedelta(seconds=1)
    return min((d.last for d in devices if d.last), default=None)


def _heard(device: DeviceState) -> Heard:
    """Return one device's words: its lag, or since when it is silent."""
    name = f"{visible(device.vault)}/{visible(device.device)}"
    if device.last is None:
        return Heard(name, "no line yet", device.silent)
    lag = duration(device.lag) if device.lag is not None else "imported"
    return Heard(name, f"silent {lag}" if device.silent and device.lag is not None else lag, device.silent)
