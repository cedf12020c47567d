"""Says where a value does not fit its form, and how: for playbooks, and for the arguments of targets. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec


def placed(error: msgspec.ValidationError, form: type[Any], path: str) -> str:
    """Return what msgspec says as `steps[3].with.lease_id: there is no such field. Known are ...`."""
    where, says = misfit(error, form, path)
    return f"{where or 'the top'}: {says}"


def misfit(error: msgspec.ValidationError, form: type[Any], path: str) -> tuple[str, str]:
    """Return the same as the place, "" for the whole value, and the sentence."""
    said, _, inner = str(error).replace("`", "").partition(" - at $")
    where = f"{path}{inner}".lstrip(".")
    known = ", ".join(one.encode_name for one in msgspec.structs.fields(form))
    if found := re.fullmatch(r"Object contains unknown field (.+)", said):
        mend = f" Known are {known}." if not inner else ""
        return f"{where}.{found[1]}".lstrip("."), f"there is no such field.{mend}"
    if found := re.fullmatch(r"Object missing required field (.+)", said):
        return f"{where}.{found[1]}".lstrip("."), "this is missing."
    return where, f"{said[:1].lower()}{said[1:]}."
