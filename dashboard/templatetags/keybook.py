"""The small shared pieces of the pages: asset URLs, printed names, times, outcomes, grades, the status strip."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django import template
from django.conf import settings
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from audit import queries
from dashboard import cluster_words, paths, words, zone
from dashboard.event_query import asking
from dashboard.limits import scope_for
from dashboard.strip import Strip, strip
from inventory import freshness

register = template.Library()

OUTCOMES = {
    "ok": ("check", "ok"),
    "denied": ("barred", "denied"),
    "error": ("triangle", "error"),
    "not_found": ("dashed", "not found"),
    "no_response": ("dashed-alert", "no response"),
}
KINDS = {
    "service_account": ("box", "service account"),
    "human": ("person", "person"),
    "ci": ("branch", "CI"),
    "approle": ("card", "AppRole"),
    "certificate": ("seal", "certificate"),
    "token": ("ticket", "token"),
    "root": ("hash", "root token"),
    "node": ("box", "kubelet"),
    "system": ("hash", "control plane"),
    "anonymous": ("person-dashed", "no identity"),
}
_DRAWN = 4_096  # pieces of a page that repeat from row to row: a page of a hundred events draws a thousand
QUOTED = re.compile(r"((?<![\w/.])[A-Za-z_][\w.-]*(?:/[\w.:@+=*-]*[\w*])+/?)")
TEETH = {"exact": 4, "strong": 3, "likely": 2, "possible": 1}


@lru_cache(maxsize=64)
def _digest(path: str, _stamp: float) -> str:
    """Return 12 hex digits of a static file's SHA-256; a newer file has another stamp."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


@register.simple_tag
def asset(path: str) -> str:
    """Return a static file's URL with a digest of its content, so that browsers may keep it for a year."""
    found = finders.find(path)
    if not isinstance(found, str):
        raise template.TemplateSyntaxError(f"No static file {path}.")
    return f"{static(path)}?v={_digest(found, Path(found).stat().st_mtime if settings.DEBUG else 0)}"


@register.simple_tag
@lru_cache(_DRAWN)
def icon(name: str, label: str = "") -> SafeString:
    """Draw an icon of 16 px; without a label it is decoration beside a word."""
    if not label:
        return format_html('<svg class="icon" aria-hidden="true"><use href="#i-{}"></use></svg>', name)
    return format_html('<svg class="icon" role="img" aria-label="{}"><use href="#i-{}"></use></svg>', label, name)


@register.simple_tag
@lru_cache(_DRAWN)
def outcome(name: str) -> SafeString:
    """Draw an outcome: icon and word."""
    shape, word = OUTCOMES.get(name, ("dashed-alert", name))
    return format_html('<span class="outcome outcome-{}">{}<span>{}</span></span>', name, icon(shape), word)


def _quoted(name: paths.Print, css: str) -> SafeString:
    """Draw a printed name; each segment is isolated, so that foreign scripts can't reorder the slashes."""
    quiet = format_html_join("", "<bdi>{}</bdi>/<wbr>", ((segment,) for segment in name.quiet))
    loud = format_html_join("", "{}<wbr>", ((piece,) for piece in re.split(r"(?<=[/:])", name.loud)))
    return format_html(
        '<span class="{}" title="{}"><span class="quiet">{}</span><b><bdi>{}</bdi></b></span>',
        *(css, name.whole, quiet, loud),
    )


@register.simple_tag
@lru_cache(_DRAWN)
def secret_name(name: str, limit: int = 0, narrow: int = 0) -> SafeString:
    """Draw a secret's name, at most `limit` characters; `narrow` draws a shorter print for narrow places too."""
    wide = paths.secret_print(name, limit)
    short = paths.secret_print(name, narrow) if narrow else wide
    if short == wide:
        return _quoted(wide, "path")
    return _quoted(wide, "path when-wide") + _quoted(short, "path when-narrow")


@register.simple_tag
@lru_cache(_DRAWN)
def principal_chip(name: str, kind: str, limit: int = 40, narrow: int = 0) -> SafeString:
    """Draw a principal: kind icon and name; `narrow` draws a shorter print for narrow places too."""
    shape, word = KINDS.get(kind, ("person-dashed", kind))
    wide = paths.principal_print(name, kind, limit)
    short = paths.principal_print(name, kind, narrow) if narrow else wide
    drawn = _quoted(wide, "path")
    if short != wide:
        drawn = _quoted(wide, "path when-wide") + _quoted(short, "path when-narrow")
    return format_html('<span class="principal">{}{}</span>', icon(shape, word), drawn)


@register.simple_tag
@lru_cache(_DRAWN)
def principal_name(name: str, kind: str, limit: int = 0) -> SafeString:
    """Draw a principal's name without its icon."""
    return _quoted(paths.principal_print(name, kind, limit), "path")


@register.simple_tag
def pod_url(cluster: str, uid: str) -> str:
    """Return the address of a pod's page, empty for a uid that no address can carry."""
    return _url("pod-detail", cluster, uid)


@register.simple_tag
def workload_url(cluster: str, uid: str) -> str:
    """Return the address of a workload's page, empty for a uid that no address can carry."""
    return _url("workload-detail", cluster, uid)


def _url(name: str, *given: str) -> str:
    try:
        return reverse(name, args=given)
    except NoReverseMatch:
        return ""


@register.simple_tag
@lru_cache(_DRAWN)
def pod_name(namespace: str, name: str, workload: str = "", limit: int = 0) -> SafeString:
    """Draw a pod's name: the namespace and the ReplicaSet's hash quiet, its workload and its suffix in ink."""
    space = words.visible(namespace)
    quiet, loud = ("…" if limit and len(space) + len(name) > limit else space), words.visible(name)
    middle, suffix = "", ""
    rest = name.removeprefix(f"{workload}-") if workload else name
    if rest != name and rest.count("-") == 1 and workload.isascii() and rest.isascii() and name.isprintable():
        middle, suffix = rest.split("-")
        loud = words.visible(workload)
    tail = format_html('<span class="own">-{}-</span>{}', middle, suffix) if suffix else ""
    return format_html(
        '<span class="path pod-name" title="{}/{}"><span class="quiet"><bdi>{}</bdi>/<wbr></span>'
        "<b><bdi>{}{}</bdi></b></span>",
        *(space, words.visible(name), quiet, loud, tail),
    )


@register.simple_tag
def kind_icon(kind: str) -> SafeString:
    """Draw the icon of a kind of principal, named by the kind."""
    return icon(*KINDS.get(kind, ("person-dashed", kind)))


@register.simple_tag
def kind_words(kind: str) -> str:
    """Return a kind of principal in words."""
    return KINDS.get(kind, ("", kind))[1]


@register.simple_tag
def event_address(page: Any, event_id: int) -> str:
    """Return the address of the page as it is, with an event in its drawer."""
    return str(page.beside(str(event_id), ""))


@register.simple_tag
def events_asking(range: str, **values: str) -> str:
    """Return the address of the events that have these values, over a ready range."""
    return f"{reverse('event-list')}{asking(values, range=range)}"


@register.filter("words")
def in_words(value: str) -> str:
    """Print a fixed value as people say it: `not_found` is `not found`, `service_account` is `service account`."""
    return KINDS[value][1] if value in KINDS else OUTCOMES.get(value, ("", value.replace("_", " ")))[1]


@register.simple_tag
def lease_id(text: str) -> str:
    """Print a lease's own part, the end of its id, as its first and last six characters."""
    return paths.middle(text.rstrip("/").rpartition("/")[2] or text)


@register.simple_tag
def shape(said: Any) -> SafeString:
    """Draw a shape beside its words, in their voice."""
    return format_html('<span class="said {}">{}<span>{}</span></span>', said.voice, icon(said.icon), said.words)


@register.simple_tag
def teeth(grade: str) -> SafeString:
    """Draw the grade of proof as a key's teeth, beside its word; what is not a pod has no key."""
    if grade == "not a pod":
        return format_html('<span class="grade grade-none">{}</span>', grade)
    return format_html(
        '<span class="grade grade-{}">{}<span>{}</span></span>', grade.partition(" ")[0], _blade(grade), grade
    )


def _blade(grade: str) -> SafeString:
    """Return the 27x12 glyph: whole stem with teeth, broken stem for `unknown`, crossed stem for `conflict`."""
    stem = '<path d="M0 1H25.5L27 2.5 25.5 4H0Z"/>'
    if grade == "unknown":
        parts = '<path d="M0 1H4V4H0ZM7 1H11V4H7ZM14 1H18V4H14ZM21 1H25.5L27 2.5 25.5 4H21Z"/>'
    elif grade == "conflict":
        parts = stem + '<path class="cross" d="M8.5 5.5 14.5 11.5M14.5 5.5 8.5 11.5"/>'
    else:
        cut = TEETH.get(grade, 0)
        depth = (f"M{2 + i * 5.6:g} 3H{5.4 + i * 5.6:g}V{12 if i < cut else 6.2:g}H{2 + i * 5.6:g}Z" for i in range(4))
        parts = f'{stem}<path d="{"".join(depth)}"/>'
    return mark_safe(f'<svg class="teeth" viewBox="0 0 27 12" aria-hidden="true">{parts}</svg>')  # noqa: S308 - constants


@register.filter
def visible(text: object) -> str:
    """Spell out what can't be seen in foreign text."""
    return words.visible(str(text))


@register.filter
def quoting(text: str) -> SafeString:
    """Draw the names with a slash in a sentence of ours in mono: they are what Vault and Kubernetes wrote."""
    parts = QUOTED.split(str(text))  # every second one is a name
    drawn = (('<span class="mono">{}</span>' if at % 2 else "{}", one) for at, one in enumerate(parts))
    return SafeString("".join(format_html(how, one) for how, one in drawn))


@register.filter
def number(value: int) -> str:
    """Print 1377 as 1,377."""
    return words.number(value)


@register.filter
def counted(value: int, noun: str) -> str:
    """Print `1 read`, `1,377 reads`; a plural of its own follows a bar: `entry|entries`."""
    single, _, plural = noun.partition("|")
    return words.counted(value, single, plural)


@register.filter
def middle(text: str) -> str:
    """Print the first and last six characters of a digest."""
    return paths.middle(text)


@register.filter
def request_print(text: str) -> str:
    """Print a request id as its first eight and last four characters."""
    return paths.middle(text, 8, 4)


@register.simple_tag
def moment(value: datetime | None, style: str = "clock") -> SafeString:
    """Print a time: `clock` with quiet milliseconds, `day` for a column, `prose`, `second`, or `iso` in UTC.

    Only `clock` leaves the offset to the column's head (`time_head`).
    """
    if value is None:
        return format_html('<span class="quiet">{}</span>', "–")
    exact = words.iso(value)
    if style == "clock":
        text = format_html('{}<span class="quiet">{}</span>', words.clock(value), exact[19:23])
    elif style == "day":
        text = format_html("{}{}", words.day_clock(value, timezone.now()), _quiet(zone.after(value)))
    else:
        now = timezone.now()
        printed = {"prose": words.at_day_clock, "second": words.until_clock}
        text = format_html("{}", printed[style](value, now) if style in printed else exact)
    own = exact if zone.is_utc() else f"{zone.local(value).isoformat(timespec='milliseconds')}, {exact}"
    return format_html('<time datetime="{}" title="{}">{}</time>', exact, own, text)


def _quiet(text: str) -> SafeString:
    return format_html('<span class="quiet">{}</span>', text) if text else SafeString("")


@register.simple_tag
def short_moment(value: datetime) -> str:
    """Print a time as URLs take it: in UTC, whoever reads."""
    return words.short_iso(value)


@register.simple_tag
def field_moment(value: datetime) -> str:
    """Print a time as fields show and take it."""
    return zone.field(value)


@register.simple_tag
def zone_name() -> str:
    """Return the name of the zone in which times are printed."""
    return zone.name()


@register.simple_tag
def time_head(items: Any = ()) -> str:
    """Return the offset of a column's times for its head: those of a list of events, or of now without one."""
    moments = [item.event.time for item in items if item.event]
    return zone.head(moments or [timezone.now()])


@register.simple_tag
def clock_now(value: datetime) -> str:
    """Print the moment at which a page was made: day, time and zone."""
    return f"{words.day(value)} {words.clock(value)} {'UTC' if zone.is_utc() else zone.offset(value)}"


@register.filter
def in_url(text: str) -> str:
    """Quote a whole value for a URL's query."""
    return quote(text, safe="")


@register.inclusion_tag("components/strip.html", takes_context=True)
def status_strip(context: template.Context) -> dict[str, Strip]:
    """Draw the status strip: the devices of the vaults that the person sees, and the clusters for who sees all."""
    scope, now = scope_for(context["request"]), timezone.now()
    clusters = freshness.clusters(now) if scope.everything else []
    pictures = [cluster_words.picture(one, now) for one in clusters]
    return {"strip": strip(queries.devices(scope=scope), now, pictures)}


@register.inclusion_tag("components/closing.html")
def closing_line(closing: Any, counts: str, action: str = "", words: str = "") -> dict[str, Any]:
    """Draw the line under a table: counts, how complete they are, and at most one link."""
    return {"closing": closing, "counts": counts, "action": action, "words": words}
