"""Moments as the pure modules count them, µs since 1970, and as the database keeps them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(moment: datetime) -> int:
    """Return µs since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def micros_or_none(moment: datetime | None) -> int | None:
    """Return µs since 1970, None for None."""
    return None if moment is None else micros(moment)


def time_of(at: int) -> datetime:
    """Return the UTC time of µs since 1970."""
    return _EPOCH + timedelta(microseconds=at)


def time_or_none(at: int | None) -> datetime | None:
    """Return the UTC time of µs since 1970, None for None."""
    return None if at is None else time_of(at)
