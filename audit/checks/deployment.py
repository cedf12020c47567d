"""How this process is set up: Django's own deployment checks, in our words where ours are plainer."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core import checks

from kit.check import Check

_MENDS = {
    "security.W009": "Set KEYBOOK_SECRET_KEY to 50 random characters or more, the same for every web process.",
    "security.W018": "Set KEYBOOK_DEBUG=false.",
    "security.W020": "Set KEYBOOK_ALLOWED_HOSTS.",
}
_COOKIES = ("security.W004", "security.W008", "security.W012", "security.W016", "security.W021", "security.W005")


def deployment() -> Iterator[Check]:
    """Debug, key, cookies and whatever else `check --deploy` says of the environment that this command runs in."""
    told = checks.run_checks(include_deployment_checks=True)
    yield _debug()
    yield _cookies()
    covered = (*_COOKIES, "security.W018")
    wrong = [one for one in told if one.id not in covered and not one.is_silenced()]
    for one in wrong:
        yield Check(
            f"settings ({one.id})", False, str(one.msg).split("\n")[0], _MENDS.get(str(one.id), str(one.hint or ""))
        )
    if not wrong:
        yield Check("settings", True, "check --deploy finds nothing else")


def _debug() -> Check:
    mend = "Set KEYBOOK_DEBUG=false: an error page would show settings and variables."
    return Check("debug", not settings.DEBUG, "on" if settings.DEBUG else "off", mend if settings.DEBUG else "")


def _cookies() -> Check:
    if settings.SECURE:
        return Check("cookies", True, "for https only, with the __Host- name")
    if settings.KEYBOOK.embedded:
        return Check("cookies", True, "plain http over loopback: right for an evaluation, never for more")
    mend = "Set KEYBOOK_SECURE_COOKIES=true and put a proxy with TLS in front."
    return Check("cookies", False, "sent over plain http, where others can read them", mend)
