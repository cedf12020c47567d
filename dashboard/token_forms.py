"""What people type about API tokens and areas; the rules are asked where tokens are made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from accounts.areas import read_areas
from accounts.models import AreaRow, User
from accounts.token_wish import DAYS, LONGEST_NAME, MOST_DAYS, RESERVED, SCOPES, Wish, allowed

LIVES = (7, 30, DAYS, 180, 365, MOST_DAYS)
LONGEST_LIST = 20_000  # characters of paths or networks, one a line


class TokenForm(forms.Form):
    """A token's name and limits."""

    name = forms.CharField(max_length=LONGEST_NAME, error_messages={"required": "Enter what will use it."})
    scopes = forms.MultipleChoiceField(error_messages={"required": "Choose what it may read."})
    days = forms.TypedChoiceField(coerce=int, choices=[(n, f"{n} days") for n in LIVES], initial=DAYS)
    vault = forms.ChoiceField(required=False)
    namespace = forms.CharField(max_length=AreaRow.LONGEST["namespace"], required=False)
    prefixes = forms.CharField(max_length=LONGEST_LIST, required=False)
    networks = forms.CharField(max_length=LONGEST_LIST, required=False)

    def __init__(self, owner: User, vaults: Iterable[str], *args: Any, **more: Any) -> None:
        """Offer the scopes of the owner's role, and the vaults that they see."""
        super().__init__(*args, **more)
        self.offered = [one for one in SCOPES if one in allowed(owner, SCOPES) and one not in RESERVED]
        self.vaults = list(vaults)
        _choices(self, "scopes", self.offered)
        _choices(self, "vault", self.vaults)

    def wish(self) -> Wish:
        """Return what was asked for; raises `NotDone`."""
        given = self.cleaned_data
        return Wish(
            name=given["name"],
            scopes=given["scopes"],
            areas=read_areas(given["vault"], given["namespace"], given["prefixes"].splitlines()),
            networks=given["networks"].replace(",", " ").split(),
            days=given["days"],
        )


def _choices(form: forms.Form, name: str, values: Iterable[str]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker: both are by their class
    field.choices = [(one, one) for one in values]
