"""A change of policies, roles or identities that the log shows rings for a look at once; nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from audit.hearing import hear_changes
from audit.looking import DEEP, _is_deep
from inventory.models import Connection
from tests.audit.forgetting import forget_connections
from tests.audit.lines import Call

CHANGES = (
    *("sys/policies/acl/ops", "sys/policy/ops", "sys/auth/userpass", "sys/mounts/secret", "auth/kubernetes/role/api"),
    *(
        "auth/userpass/users/ann",
        "auth/userpass/users/ann/policies",
        "auth/team/approle/role/ci",
        "auth/token/roles/ci",
    ),
    *("identity/entity/id/1", "identity/group", "identity/group-alias"),
)
OTHERS = (
    *("auth/kubernetes/login", "auth/approle/role/ci/secret-id", "auth/token/create/ci", "identity/oidc/token/x"),
    *("secret/data/sys/policies/acl/x", "sys/leases/renew"),
)


@pytest.fixture
def connection(past):
    yield Connection.objects.create(vault="demo", address="https://vault.example", heard=0)
    forget_connections()


@pytest.fixture
def happens(past, tmp_path, connection):
    """A function that imports one call and tells whether it was heard."""
    numbers = iter(range(1000))

    def one(path, operation="update", **response):
        number = next(numbers)
        call, asked = Call(number, seed="hearing"), {"request__operation": operation, "request__path": path}
        asked |= {"request__mount_point": path.split("/")[0] + "/", "request__mount_type": "system"}
        file = tmp_path / f"{number}.log"
        file.write_bytes(call.request(**asked) + b"\n" + call.response(data={}, **asked, **response) + b"\n")
        past.take(file)
        Connection.objects.update(wanted_at=None)
        heard = hear_changes()
        connection.refresh_from_db()
        assert bool(heard) == (connection.wanted_at is not None)
        return bool(heard)

    return one


def test_a_change_is_heard_once_and_anything_else_is_not(happens, connection):
    assert [path for path in CHANGES if not happens(path)] == []
    assert [path for path in OTHERS if happens(path)] == []
    assert hear_changes() == 0 and connection.heard > 0


def test_a_read_and_a_refused_change_are_no_change(happens):
    assert not happens("sys/policies/acl/ops", "read")
    assert not happens("sys/policies/acl/ops", error="1 error occurred:\n\t* permission denied\n\n")
    assert happens("sys/policies/acl/ops", "delete")


def test_policies_are_read_when_wanted_when_never_read_and_every_hour():
    now = datetime.now(UTC)
    assert _is_deep(Connection()) and _is_deep(Connection(access_at=now - DEEP - timedelta(seconds=1)))
    assert not _is_deep(Connection(access_at=now)) and _is_deep(Connection(access_at=now, wanted_at=now))
