"""Leases of a real OpenBao and PostgreSQL: every way to end, as its lookups tell it and as its log is read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.live

# Runs in a sandbox of its own, so that no other test's calls are in its audit log.
CHECK = """
import json, os, time
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
django.setup()
from pathlib import Path
from audit import actions, leasing, verifying
from audit.lease_models import Lease
from inventory.models import Connection
from sandbox.bao_http import Bao
from sandbox.furniture import furnish_reader
from vault.client import Client

root = Bao(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])
log = os.environ["KEYBOOK_AUDIT_LOG"]
reader = furnish_reader(root)
root.must("PUT", "sys/policies/acl/pods", {"policy": 'path "database/creds/*" { capabilities = ["read"] }'})
def role(name, ttl="1h"):
    known = root.must("GET", "database/roles/payments-ro").data
    root.must("POST", "database/roles/" + name, {"db_name": known["db_name"], "default_ttl": ttl, "max_ttl": "24h",
        "creation_statements": known["creation_statements"], "revocation_statements": known["revocation_statements"]})
root.must("POST", "database/config/payments", {"plugin_name": "postgresql-database-plugin", "allowed_roles": ["*"]})
for name in ("by-prefix", "by-force", "kept"):
    role(name)
role("short", "2s")
def token(**more):
    wanted = {"policies": ["pods"], "ttl": "1h", **more}
    return root.must("POST", "auth/token/create-orphan", wanted).body["auth"]
def take(role, holder=None):
    client = root.seen_as(token=(holder or token())["client_token"])
    return client.must("GET", "database/creds/" + role).body["lease_id"]
parent = token(policies=["root"])
above = root.seen_as(token=parent["client_token"])
child = above.must("POST", "auth/token/create", {"policies": ["pods"], "ttl": "1h"}).body["auth"]
with_accessor, with_self, brief = token(), token(), token(ttl="3s")
leases = {
    "live": take("kept"), "renewed": take("kept"), "renewed, then by id": take("kept"),
    "by id in the body": take("kept"), "by id in the address": take("kept"),
    "by prefix": take("by-prefix"), "by force": take("by-force"),
    "by accessor": take("kept", with_accessor), "by self": take("kept", with_self),
    "with the parent": take("kept", child),
    "by its own time": take("short"), "by its token's time": take("kept", brief),
}
for name in ("renewed", "renewed, then by id"):
    root.must("PUT", "sys/leases/renew", {"lease_id": leases[name], "increment": 3000})
root.must("PUT", "sys/leases/revoke", {"lease_id": leases["by id in the body"]})
root.must("PUT", "sys/leases/revoke/" + leases["by id in the address"])
root.must("PUT", "sys/leases/revoke", {"lease_id": leases["renewed, then by id"]})
root.must("PUT", "sys/leases/revoke-prefix/database/creds/by-prefix")
root.must("PUT", "sys/leases/revoke-force/database/creds/by-force")
root.must("POST", "auth/token/revoke-accessor", {"accessor": with_accessor["accessor"]})
root.seen_as(token=with_self["client_token"]).must("POST", "auth/token/revoke-self")
root.must("POST", "auth/token/revoke", {"token": parent["client_token"]})
time.sleep(5)

def follow():
    actions.import_files([log], vault="live", device="file")
    leasing.catch_up()
def told():
    names = {id: name for name, id in leases.items()}
    return {names[one.lease_id]: [one.state, one.how] for one in Lease.objects.all() if one.lease_id in names}

follow()
found = {"log": told(), "renewals": dict(Lease.objects.exclude(renewals=0).values_list("lease_id", "renewals"))}
found["renewals"] = sorted(name for name, id in leases.items() if found["renewals"].get(id) == 1)
tokens = Path(log).with_name("reader.token")
tokens.write_text(reader)
from django.conf import settings
address = os.environ["VAULT_ADDR"]
Connection.objects.create(vault="live", address=address, plain_http=True)
settings.KEYBOOK = settings.KEYBOOK.model_copy(update={"vault_token_files": f"live={tokens}@{address}"})
done = verifying.verify(seconds=30)
found["asked"] = [done.hashed, done.looked, done.refused]
follow()
time.sleep(2.5)
done = verifying.verify(seconds=30)
follow()
time.sleep(2.5)  # what was gone before the log was read that far is told why a little later
leasing.catch_up()
found["verified"] = told()
asker = Client(address, os.environ["VAULT_TOKEN"], plain_http=True)
found["listed"] = sorted(name for name, id in leases.items() if asker.lease(id))
found["ends"] = {name: [str(asker.lease(id).expires)[:19], str(Lease.objects.get(lease_id=id).expires)[:19]]
                 for name, id in leases.items() if asker.lease(id)}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def told():
    command = [str(ROOT / "bin" / "sandbox"), "--vault", "--servers-only", sys.executable, "-c", CHECK]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


ASKED = {
    "by id in the address": "id",
    "renewed, then by id": "id",
    "by prefix": "prefix",
    "by force": "force",
    "by accessor": "token",
    "by self": "token",
    "with the parent": "token",
}


def test_the_log_alone_tells_what_was_asked_for_and_no_more(told):
    unknown = ("live", "renewed", "by id in the body", "by its own time", "by its token's time")
    asked = {name: ["revoke_asked", how] for name, how in ASKED.items()}
    assert told["log"] == asked | {name: ["unverified", ""] for name in unknown}
    assert told["renewals"] == ["renewed", "renewed, then by id"]


def test_hashes_and_lookups_tell_every_end(told):
    assert told["asked"][2] == []
    ended = {name: ["revoked", how] for name, how in ASKED.items()}
    assert told["verified"] == ended | {
        "by id in the body": ["revoked", "id"],
        "by its own time": ["expired", "ttl"],
        "by its token's time": ["expired", "token_ttl"],
        "live": ["live", ""],
        "renewed": ["live", ""],
    }
    assert told["listed"] == sorted(name for name, (state, _) in told["verified"].items() if state == "live")
    assert all(there == here for there, here in told["ends"].values())
