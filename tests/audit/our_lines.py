"""Audit lines of the executor and of its operation tokens, as a vault writes them."""

from __future__ import annotations

import json
from datetime import timedelta

from tests.audit.lines import START, Call, hmac, log, written

EXECUTOR = {"role": "keybook-executor", "service_account_name": "operations", "service_account_namespace": "keybook"}
CLAIMS = {"keybook_change": "C-215", "keybook_step": "3", "keybook_plan": "ab" * 32, "keybook_head": "cd" * 32}


def auth(device, token, policies, metadata, name="token"):
    """The `auth` object of a token that is not one of the usual callers."""
    return {
        "client_token": hmac(device, token), "accessor": hmac(device, f"accessor of {token}"), "display_name": name,
        "policies": policies, "token_policies": policies, "metadata": metadata, "token_type": "service",
        "token_ttl": 300, "token_issue_time": "2026-03-14T08:59:00Z",
    }  # fmt: skip


class Work(Call):
    """A call by a token of ours, or one that makes such a token."""

    def pair(self, device="file", *, caller, path, operation="update", asked=None, answer=None, given=None, error=""):
        """Return both lines: `caller` and `given` are (token, policies, metadata, display name)."""
        who = auth(device, *caller)
        mount = path.split("/")[0] + "/"
        of = {"secret/": ("secret/", "kv"), "auth/": ("auth/token/", "token"), "sys/": ("sys/", "system")}[mount]
        changes = {
            "auth": who, "request__client_token": who["client_token"], "request__path": path,
            "request__client_token_accessor": who["accessor"], "request__operation": operation,
            "request__mount_point": of[0], "request__mount_type": of[1], **({"request__data": asked} if asked else {}),
            **({"error": error} if error else {}),
        }  # fmt: skip
        response = json.loads(self.response(device, answer or {}, **changes))
        if given:
            response["response"]["auth"] = auth(device, *given)
        return [self.request(device, **changes), written(response)]


OURS = ("executor's token", ["default", "keybook-executor"], EXECUTOR, "kubernetes-keybook-operations")
OPERATION = ("op token", ["keybook-op-kv-write"], CLAIMS, "token")
WRITE = {"created_time": "2026-03-14T09:00:01Z", "custom_metadata": None, "destroyed": False, "version": 8}


def work(number, **more):
    return Work(number, secret="prod/ledger/key", at=START + timedelta(seconds=number), seed="ours"), more


MINT = work(1, caller=OURS, path="auth/token/create/keybook-op-kv-write", given=OPERATION)
WROTE = work(2, caller=OPERATION, path="secret/data/prod/ledger/key", operation="patch", answer=WRITE)
CALLS = [MINT, WROTE]


def read_first():
    """A read teaches the mount's version, as any vault in use does."""
    return Call(0, secret="prod/ledger/key", seed="reader")


def lines(calls=CALLS, device="file"):
    told = [line for call, more in calls for line in call.pair(device, **more)]
    return log([read_first()], device) + b"".join(line + b"\n" for line in told)
