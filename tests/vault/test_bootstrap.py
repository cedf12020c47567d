"""How the executor comes to its token on a real OpenBao, and what it says when it can't."""

from __future__ import annotations

import logging
import os
import secrets
import stat
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.vault import cutting
from vault import enrolment, errors
from vault.bootstrap import Executor, NoIdentity, Shelf, executors
from vault.doors import doors
from vault.operating import Operator


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("", {}),
        (
            "prod=approle:approle:6f1c-2:/run/x.wrapped@https://v.example:8200",
            {"prod": ("approle", "approle", "6f1c-2", "/run/x.wrapped", "https://v.example:8200")},
        ),
        (
            " prod/team-a = kubernetes:auth/k8s/eu:keybook:/run/token@http://127.0.0.1:8200 ,",
            {"prod/team-a": ("kubernetes", "k8s/eu", "keybook", "/run/token", "http://127.0.0.1:8200")},
        ),
    ],
)
def test_the_setting_says_by_which_door(setting, found):
    told = {name: (one.kind, one.mount, one.role, one.file, one.address) for name, one in doors(setting).items()}
    assert told == found


@pytest.mark.parametrize(
    "setting",
    ["prod", "prod=hush", "prod=approle:a:hush:/x", "prod=oidc:a:b:/c@https://v", "=approle:a:b:/c@https://v",
     "prod=approle:a::/c@https://v", "prod=approle:a:b:@https://v"],
)  # fmt: skip
def test_what_is_no_door_is_refused_and_not_shown(setting):
    with pytest.raises(ValueError) as caught:
        doors(setting)
    assert "name=approle:" in str(caught.value) and "hush" not in str(caught.value)


def test_what_is_put_on_the_shelf_is_seen_by_a_child_that_was_there_before():
    shelf = Shelf()
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        while not shelf.get():
            time.sleep(0.001)
        os.write(theirs, shelf.get()["secret"].encode() + str(shelf.ours).encode())
        os._exit(0)
    shelf.put({"secret": "x"})
    os.waitpid(child, 0)
    assert os.read(ours, 100) == b"xFalse" and shelf.ours
    os.close(ours), os.close(theirs)


@pytest.fixture(scope="module")
def root():
    if not os.environ.get("VAULT_ADDR"):
        pytest.skip("VAULT_ADDR names no OpenBao; bin/sandbox --vault sets it")
    return Operator(os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"])


class Yard:
    """An AppRole mount of our own, as the printed commands make it, and files to hand things over in."""

    def __init__(self, root, folder):
        self.root, self.file = root, folder / "executor.wrapped"
        self.mount = f"approle-{secrets.token_hex(4)}"
        root._change(f"sys/auth/{self.mount}", {"type": "approle"})
        root._change("sys/policies/acl/keybook-executor", {"policy": enrolment.executor_policy()})
        self.role, given = enrolment.approle(self.mount)
        root._change(self.role, given)
        self.role_id = root._ask(f"{self.role}/role-id")["data"]["role_id"]
        self.now = datetime(2026, 11, 27, tzinfo=UTC)

    def wrap(self, path=None, **values):
        headers = {"X-Vault-Wrap-TTL": "60s"}
        adapter = self.root._hvac.adapter
        return adapter.post(f"/v1/{path or self.role + '/secret-id'}", json=values, headers=headers)["wrap_info"][
            "token"
        ]

    def hand_over(self, token=None, mode=0o400):
        self.file.unlink(missing_ok=True)
        self.file.write_text(token or self.wrap())
        self.file.chmod(mode)

    def executor(self, address=None, kind="approle", role=None, mount=None) -> Executor:
        address = address or self.root.address
        door = f"prod={kind}:{mount or self.mount}:{role or self.role_id}:{self.file}@{address}"
        return executors(door, lambda: self.now)["prod"]


@pytest.fixture
def yard(root, tmp_path):
    return Yard(root, tmp_path)


@pytest.mark.live
def test_the_secret_id_is_opened_once_and_the_token_is_the_executor_s(yard):
    yard.hand_over()
    executor = yard.executor()
    first = executor.operating()
    known = first.whoami()
    assert known.policies == ("keybook-executor",) and known.ttl <= 1200 and not yard.file.exists()
    assert executor.operating().whoami().accessor == known.accessor
    assert executor.trouble is None


@pytest.mark.live
def test_it_logs_in_anew_when_its_token_ends_or_is_found_gone(yard):
    yard.hand_over()
    executor = yard.executor()
    first = executor.operating().whoami().accessor
    yard.now += timedelta(seconds=1200 - 31)
    assert executor.operating().whoami().accessor == first
    yard.now += timedelta(seconds=2)
    second = executor.operating().whoami().accessor
    executor.forget()
    assert len({first, second, executor.operating().whoami().accessor}) == 3


@pytest.mark.live
def test_a_token_of_its_own_that_somebody_revoked_is_replaced_when_it_mints(yard, root):
    yard.hand_over()
    executor = yard.executor()
    own = executor.operating()
    root.revoke_accessor(own.whoami().accessor)
    with pytest.raises(errors.Refused) as caught:
        own.mint("keybook-op-no-such-role", {"keybook_change": "C-1"}, 5, 1)
    assert "unknown role" in str(caught.value)
    assert executor.operating().whoami().policies == ("keybook-executor",)


@pytest.mark.live
def test_a_secret_id_that_somebody_opened_is_critical_and_says_what_to_do(yard):
    token = yard.wrap()
    yard.root.holding(type("T", (), {"token": token})).unwrap_held()
    yard.hand_over(token)
    executor = yard.executor()
    executor.open()
    assert executor.trouble.critical
    said = str(executor.trouble)
    assert "opened before" in said and "destroy it" in said and "-wrap-ttl" in said and token not in said
    with pytest.raises(NoIdentity):
        executor.operating()


@pytest.mark.live
def test_the_next_start_of_the_same_worker_misses_its_file_and_cries_no_wolf(yard):
    yard.hand_over()
    yard.executor().operating()
    again = yard.executor()
    again.open()
    assert "there is no wrapped secret id" in again.trouble.what and not again.trouble.critical


@pytest.mark.live
@pytest.mark.parametrize("mode", [0o404, 0o440 | 0o020, 0o402, 0o644])
def test_a_file_that_others_can_read_or_change_is_not_opened(yard, mode):
    token = yard.wrap()
    yard.hand_over(token, mode)
    executor = yard.executor()
    executor.open()
    assert executor.trouble.critical and f"{mode:04o}" in executor.trouble.what
    assert stat.S_IMODE(yard.file.stat().st_mode) == mode
    assert yard.root.wrapped(token).ttl == 60


@pytest.mark.live
def test_a_wrapping_token_made_elsewhere_is_not_opened(yard):
    token = yard.wrap("sys/wrapping/wrap", secret_id="x")
    yard.hand_over(token)
    executor = yard.executor()
    executor.open()
    assert executor.trouble.critical and "sys/wrapping/wrap" in executor.trouble.what
    assert yard.root.wrapped(token).creation_path == "sys/wrapping/wrap"


@pytest.mark.live
def test_while_the_vault_is_away_nothing_is_opened_and_it_is_tried_again(yard):
    proxy = cutting.Cutting(yard.root.address)
    try:
        yard.hand_over()
        executor = yard.executor(proxy.url)
        proxy.way = cutting.BEFORE
        with pytest.raises(errors.Unreachable):
            executor.open()
        assert executor.trouble is None and yard.file.exists()
        proxy.way = cutting.PASSED
        assert executor.operating().whoami().policies == ("keybook-executor",)
    finally:
        proxy.close()


@pytest.mark.live
def test_a_child_opens_nothing_and_finds_what_its_parent_opened(yard, monkeypatch):
    yard.hand_over()
    executor = yard.executor()
    real = os.getpid()
    with monkeypatch.context() as child:
        child.setattr("os.getpid", lambda: real + 1)
        with pytest.raises(errors.Unavailable) as caught:
            executor.operating()
        assert "not opened yet" in str(caught.value) and yard.file.exists()
    executor.open()
    with monkeypatch.context() as child:
        child.setattr("os.getpid", lambda: real + 1)
        assert executor.operating().whoami().policies == ("keybook-executor",)


@pytest.mark.live
def test_a_refused_log_in_needs_a_person_and_shows_no_secret(yard, caplog):
    yard.hand_over()
    executor = yard.executor(role="another-role")
    with caplog.at_level(logging.DEBUG), pytest.raises(NoIdentity) as caught:
        executor.operating()
    kept = executor._shelf.get()["secret"]
    assert kept not in str(caught.value) + repr(executor) + caplog.text
    assert "hand over a new one" in caught.value.mend


@pytest.mark.live
def test_kubernetes_takes_the_token_file_anew_at_each_log_in(yard, monkeypatch):
    seen = []

    def log_in(self, mount, given):
        seen.append((mount, given))
        raise errors.Refused("no", "here")

    monkeypatch.setattr(Operator, "log_in", log_in)
    executor = yard.executor(kind="kubernetes", role="keybook", mount="k8s")
    for jwt in ("one", "two"):
        yard.file.write_text(jwt + "\n")
        with pytest.raises(NoIdentity) as caught:
            executor.operating()
        assert "audience" in str(caught.value)
    assert seen == [("k8s", {"role": "keybook", "jwt": "one"}), ("k8s", {"role": "keybook", "jwt": "two"})]


@pytest.mark.parametrize("text", ["", "two words", "über"])
def test_a_file_without_a_token_is_said_so(tmp_path, text):
    (tmp_path / "token").write_text(text)
    door = f"prod=kubernetes:kubernetes:keybook:{tmp_path / 'token'}@http://127.0.0.1:1"
    with pytest.raises(NoIdentity) as caught:
        executors(door, lambda: datetime(2026, 11, 27, tzinfo=UTC))["prod"].operating()
    assert "holds no token" in str(caught.value)
