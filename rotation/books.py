"""Finds what fulfils the seams of `rotation.world`: classes that settings name, because rotation knows no record."""

from __future__ import annotations

from functools import cache
from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string

from rotation.world import Almanac, Books, Witness


@cache
def books() -> Books:
    """Return what the record knows that a plan needs; `ROTATION_BOOKS` names the class."""
    return cast(Books, import_string(settings.ROTATION_BOOKS)())


@cache
def witness() -> Witness:
    """Return what the audit log bears witness of; `ROTATION_WITNESS` names the class."""
    return cast(Witness, import_string(settings.ROTATION_WITNESS)())


@cache
def almanac() -> Almanac:
    """Return what the record knows of the age of secrets: the same class that bears witness."""
    return cast(Almanac, import_string(settings.ROTATION_WITNESS)())
