"""The one way in which a verb of accounts says no."""

from __future__ import annotations


class NotDone(Exception):
    """Nothing was changed; the message says why and what to do next."""
