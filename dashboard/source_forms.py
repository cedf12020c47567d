"""What an administrator types about vaults and sources: names, addresses, paths; the rules are asked where they act."""

from __future__ import annotations

from django import forms

_NAME = {"required": "Enter the vault's name."}


class VaultForm(forms.Form):
    """A vault's name and address, and the namespace that a token belongs to."""

    vault = forms.CharField(max_length=100, error_messages=_NAME)
    address = forms.CharField(max_length=500, error_messages={"required": "Enter the address."})
    namespace = forms.CharField(max_length=500, required=False)


class FileForm(forms.Form):
    """An audit log that a vault's device writes."""

    vault = forms.CharField(max_length=100, error_messages=_NAME)
    device = forms.CharField(max_length=100, required=False, initial="file")
    path = forms.CharField(max_length=4000, strip=False, error_messages={"required": "Enter the log's whole path."})


class ReceiverForm(forms.Form):
    """A vault's http device, or a shipper in its place."""

    vault = forms.CharField(max_length=100, error_messages=_NAME)
    device = forms.CharField(max_length=100, required=False, initial="http")
