"""What the arguments of a change are called in its form, what belongs in each, and what a choice means."""

from __future__ import annotations

WORDS = {
    "accessor": "Accessor of the token",
    "approvers": "How many approve it",
    "cordoned": "Service accounts that stay shut out",
    "credential": "Id of the passkey",
    "database": "Connection of the database",
    "enable": "Let it in again instead",
    "end": "End this policy instead",
    "effect": "What the policy does",
    "fingerprint": "Fingerprint of the passkey",
    "freeze": "Number of the freeze",
    "hours": "Hours in which it must be approved",
    "key": "The key",
    "keys": "Keys that get a new value",
    "leases": "Lease ids",
    "may_be_gone": "It is no fault if the token is gone already",
    "policy": "Password policy of the vault",
    "prefix": "All leases under",
    "proof": "Proof that an approval needs",
    "restart": "Restart what would keep the old value",
    "retire": "Destroy the old version at the end",
    "risk": "For changes of risk",
    "secret": "The secret",
    "sign_count": "Count of the passkey",
    "targets": "For which kinds of change",
    "way": "Who makes the new value",
}
HINTS = {
    "accessor": "as vault token lookup prints it; never the token itself",
    "cordoned": "namespace/name; their pods are neither restarted nor waited for",
    "database": "database/config/ledger-pg",
    "key": "transit/keys/ledger",
    "keys": "only where Keybook makes the value or you hand it over; other keys stay",
    "leases": "whole, as Vault prints them",
    "policy": "its name in sys/policies/password; without one 32 random signs",
    "pod": "its uid, or namespace/name",
    "prefix": "database/creds/payments-rw",
    "principal": "as its page prints it",
    "role": "database/creds/payments-rw",
    "secret": "as its page prints it, such as secret/prod/shop/stripe",
    "service_account": "namespace/name",
}
ELSEWHERE = {("grant_role", "role"): "approver or administrator"}  # hints of arguments that mean something else there
CHOICES = {
    "adopt": "somebody else writes it in Vault, and this waits for it (adopt)",
    "generated": "Keybook makes it (generated)",
    "wrapped": "I hand it over in a wrapping token (wrapped)",
}


def name_of(argument: str) -> str:
    """Return an argument's name as people say it."""
    return WORDS.get(argument) or argument.replace("_", " ").capitalize()


def hint_of(target: str, argument: str) -> str:
    """Return what belongs in the field of an argument, empty where its name says it."""
    return ELSEWHERE.get((target, argument)) or HINTS.get(argument, "")
