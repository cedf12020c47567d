"""The form of a schedule: its target's arguments without the one that names the secret, its times and its window."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import QueryDict

from accounts.models import User
from dashboard import zone
from dashboard.change_form import ChangeForm, Field, Offer
from rotation import targets, windows
from rotation.schedule_models import Schedule
from rotation.scheduling import NAMED, Terms

DAYS = {
    "mon": "Monday", "tue": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "fri": "Friday", "sat": "Saturday",
    "sun": "Sunday",
}  # fmt: skip


@dataclass
class ScheduleForm(ChangeForm):
    """What somebody wants to be asked for again and again, as far as they have said it."""

    row: Schedule | None = None

    @classmethod
    def of(cls, row: Schedule, person: User) -> ScheduleForm:
        """Return the form of a schedule as it is."""
        given = QueryDict(mutable=True)
        given.update({
            "target": row.target, "name": row.name, "pattern": row.pattern, "vault": row.vault, "days": str(row.days),
            "lead_hours": str(row.lead_hours), "reason": row.reason, "enabled": "yes" if row.enabled else "",
            "edition": str(row.edition),
        })  # fmt: skip
        for name, value in row.args.items():
            given.setlist(name, [_text(one) for one in value] if isinstance(value, list) else [_text(value)])
        if row.window:
            window = windows.read(row.window)
            given.setlist("day", [windows.DAYS[day] for day in window.days])
            given.update({"begins": f"{window.begins:%H:%M}", "ends": f"{window.ends:%H:%M}", "zone": window.zone})
        return cls(given, person, row=row)

    @property
    def target(self) -> str:
        """Return the chosen target, empty for none or one that no schedule rotates."""
        asked = self.given.get("target", "")
        return asked if asked in NAMED and asked in targets.kinds() else ""

    @property
    def fields(self) -> list[Field]:
        """Return the arguments of the target but the one that the pattern names."""
        own = NAMED.get(self.target)
        return [one for one in self.arguments if one.name != own]

    @property
    def choices(self) -> list[Offer]:
        """Return what can be rotated again and again."""
        return [Offer(kind, targets.kinds()[kind].TITLE, "rotate", True) for kind in NAMED if kind in targets.kinds()]

    @property
    def week(self) -> list[tuple[str, str, bool]]:
        """Return the days of the week: key, name, and whether the window opens on it."""
        chosen = self.given.getlist("day")
        return [(key, name, key in chosen) for key, name in DAYS.items()]

    @property
    def name(self) -> str:
        """Return what it is called."""
        return self.text("name", 101)

    @property
    def pattern(self) -> str:
        """Return which secrets."""
        return self.text("pattern", 1_001)

    @property
    def vault(self) -> str:
        """Return the vault, if one was named."""
        return self.text("vault", 201)

    @property
    def begins(self) -> str:
        """Return from when the window is open."""
        return self.text("begins", 5)

    @property
    def ends(self) -> str:
        """Return until when the window is open."""
        return self.text("ends", 5)

    @property
    def zone(self) -> str:
        """Return the zone of the window: what was given, else that of the person who reads."""
        return self.text("zone", 64) or zone.name()

    @property
    def days(self) -> str:
        """Return every how many days."""
        return self.text("days", 6)

    @property
    def lead(self) -> str:
        """Return how many hours before."""
        return self.text("lead_hours", 6) or "12"

    @property
    def enabled(self) -> bool:
        """Whether it asks; a new one does."""
        return bool(self.given.get("enabled")) if self.sent or self.row else True

    @property
    def edition(self) -> int:
        """Return which edition was read, 0 for none."""
        return _number(self.text("edition", 9), 0)

    @property
    def terms(self) -> Terms:
        """Return what is wanted; what is no number becomes one that no schedule can have."""
        named = {name: self.text(name) for name in ("name", "pattern", "vault", "reason")}
        return Terms(
            target=self.given.get("target", ""), days=_number(self.days, -1), lead_hours=_number(self.lead, -1),
            args=self.want.args, window=self._window, enabled=self.enabled, **named,
        )  # fmt: skip

    @property
    def _window(self) -> str:
        days = ",".join(one for one in self.given.getlist("day"))
        if not (days or self.begins or self.ends):
            return ""
        return f"{days} {self.begins}-{self.ends} {self.zone}"


def _text(value: object) -> str:
    return ("yes" if value else "") if isinstance(value, bool) else str(value)


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else otherwise
