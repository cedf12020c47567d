"""What people type about themselves and each other: names, passwords, codes, roles."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.models import Role

LONGEST_PASSWORD = 4096  # a longer one would only keep the hash busy


class SignInForm(forms.Form):
    """Name and password, not yet looked at."""

    username = forms.CharField(max_length=150, error_messages={"required": "Enter your name."})
    password = forms.CharField(
        max_length=LONGEST_PASSWORD, strip=False, error_messages={"required": "Enter your password."}
    )


class ProofForm(forms.Form):
    """A code of the app, a recovery code, or a password: one line either way."""

    proof = forms.CharField(
        max_length=LONGEST_PASSWORD, strip=False, error_messages={"required": "Enter it, then press the button."}
    )


class NewPasswordForm(forms.Form):
    """A new password, twice; its rules are asked where it is set, because they know the person."""

    password = forms.CharField(
        max_length=LONGEST_PASSWORD, strip=False, error_messages={"required": "Choose a password."}
    )
    again = forms.CharField(max_length=LONGEST_PASSWORD, strip=False, error_messages={"required": "Type it again."})

    def clean(self) -> dict[str, Any]:
        """Refuse two that differ."""
        cleaned = super().clean() or self.cleaned_data
        if {"password", "again"} <= set(cleaned) and cleaned["password"] != cleaned["again"]:
            self.add_error("again", "The two differ. Type both again.")
        return cleaned


class PersonForm(forms.Form):
    """A new person's name and role."""

    name = forms.CharField(max_length=150, error_messages={"required": "Enter a name."})
    role = forms.ChoiceField(choices=Role.choices, initial=Role.READER)
