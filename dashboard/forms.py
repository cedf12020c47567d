"""What people type: sign-in, a one-time code, a question, a stretch of time."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import AuthenticationForm


class SignInForm(AuthenticationForm):
    """Name and password; the message does not say which of the two was wrong."""

    error_messages = {
        "invalid_login": "No person with this name and password may sign in. Names and passwords are case-sensitive.",
        "inactive": "No person with this name and password may sign in. Names and passwords are case-sensitive.",
    }


class CodeForm(forms.Form):
    """The code of a one-time link: the part of the link after `#`."""

    code = forms.CharField(
        max_length=100,
        strip=True,
        error_messages={"required": "The code is missing. It is the part of the link after #."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
