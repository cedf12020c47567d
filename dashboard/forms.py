"""What people type: a one-time code, a question, a stretch of time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from django import forms
from django.utils import timezone

from accounts.time_zone import UTC_NAME, find
from dashboard.words import visible

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CodeForm(forms.Form):
    """The code of a one-time link: the part of the link after `#`."""

    code = forms.CharField(
        max_length=100,
        strip=True,
        error_messages={"required": "The code is missing. It is the part of the link after #."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class MomentField(forms.DateTimeField):
    """A time; one without an offset is taken in `zone`, and refused where the clock of that zone shows it twice."""

    zone: tzinfo = UTC

    def to_python(self, value: Any) -> datetime | None:
        """Return the moment in UTC, because PostgreSQL refuses an offset of 16 hours; raises `ValidationError`."""
        try:
            with timezone.override(self.zone):
                read = super().to_python(value)
            return read.astimezone(UTC) if read else None
        except OverflowError:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from None
        except forms.ValidationError as wrong:
            if wrong.code != "ambiguous_timezone":
                raise
            text = visible(str(value))[:40]
            raise forms.ValidationError(
                f"On that day the clocks of {self.zone} were changed, and they showed {text} twice or never. "
                f"Write the offset after it: {text}{self._offsets(value)[0]} or {text}{self._offsets(value)[1]}."
            ) from None

    def _offsets(self, value: Any) -> tuple[str, str]:
        """Return the offsets of the zone before and after its clocks are changed on that day."""
        near = forms.DateTimeField().to_python(str(value))
        assert near is not None  # noqa: S101 - it was read above, but for its zone
        day = timedelta(days=1)
        before, later = ((near + way).astimezone(self.zone).isoformat("T", "seconds")[19:] for way in (-day, day))
        return before, later


class RangeForm(forms.Form):
    """Two times, [since, until), within 1970 to now; either may be empty. `zone` is that of times without an offset."""

    zone = forms.CharField(required=False, max_length=64)
    since = MomentField(required=False)
    until = MomentField(required=False)

    def __init__(self, data: Mapping[str, Any], now: datetime) -> None:
        super().__init__(data)
        self.now = now
        named = str(data.get("zone", "") or UTC_NAME)
        for name, field in self.fields.items():
            if isinstance(field, MomentField):
                field.zone = find(named) or UTC
                text = visible(str(data.get(name, "")))[:40]
                wrong = f"“{text}” is not a time. Write it as 2026-11-18 02:00, in {field.zone}."
                field.error_messages["invalid"] = wrong

    def clean_zone(self) -> str:
        """Refuse a name that no zone has."""
        named = str(self.cleaned_data["zone"])
        if named and find(named) is None:
            raise forms.ValidationError(f"No time zone is called “{visible(named)[:40]}”.")
        return named

    def clean_since(self) -> datetime | None:
        """Refuse a range that begins before there were computers to record it, or after now."""
        since: datetime | None = self.cleaned_data["since"]
        if since and not EPOCH <= since < self.now:
            raise forms.ValidationError("This range begins in the future, or before 1970.")
        return since

    def clean_until(self) -> datetime | None:
        """Refuse a range that ends before 1970; one that ends in the future ends now."""
        until: datetime | None = self.cleaned_data["until"]
        if until and until < EPOCH + timedelta(days=31):
            raise forms.ValidationError("This range ends before 1970.")
        return min(until, self.now) if until else None

    def clean(self) -> dict[str, Any]:
        """Refuse a range that ends before it begins."""
        cleaned = super().clean() or self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since >= until:
            self.add_error("until", "This range ends before it begins. Exchange the two times.")
        return cleaned


class AskForm(forms.Form):
    """The name, or its begin, that somebody asks for, and the name after which the list goes on."""

    q = forms.CharField(required=False, max_length=1000)
    after = forms.CharField(required=False, max_length=5000, strip=False)
