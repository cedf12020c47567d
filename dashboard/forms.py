"""What people type: a one-time code, a question, a stretch of time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms

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


class RangeForm(forms.Form):
    """Two times in UTC, [since, until), within 1970 to now; either may be left empty."""

    since = forms.DateTimeField(required=False)
    until = forms.DateTimeField(required=False)

    def __init__(self, data: Mapping[str, Any], now: datetime) -> None:
        super().__init__(data)
        self.now = now
        for name, field in self.fields.items():
            wrong = f"“{visible(str(data.get(name, '')))[:40]}” is not a time. Write it as 2026-11-18 02:00, in UTC."
            field.error_messages["invalid"] = wrong

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
