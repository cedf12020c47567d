"""Two people who have just signed in, and changes in the middle of their way, for the tests of the pages of changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import Role, User
from rotation.models import Change
from tests.dashboard.conftest import Browser, Page
from tests.rotation import toy_targets

PASSWORD = "a long enough password"
SECRET = "secret/prod/ledger/bank-sftp"


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    toy_targets.use(monkeypatch)


def someone(name: str, role: str) -> User:
    return User.objects.create_user(name, password=PASSWORD, role=role)


@pytest.fixture
def ann(db) -> User:
    return someone("ann", Role.OPERATOR)


@pytest.fixture
def bob(db) -> User:
    return someone("bob", Role.APPROVER)


class Window:
    """A browser in which somebody has just signed in."""

    def __init__(self, user: User) -> None:
        self.client = Browser()
        assert self.client.post("/sign-in/", {"username": user.username, "password": PASSWORD}).status_code == 302

    def get(self, address: str, status: int = 200, **headers: str) -> Page:
        response = self.client.get(address, headers=headers or None)
        assert response.status_code == status, response.content.decode()[:2000]
        return Page.of(response)

    def send(self, address: str, status: int = 302, **form: object):
        response = self.client.post(address, form)
        assert response.status_code == status, response.content.decode()[:2000]
        return response


@pytest.fixture
def anns(ann) -> Window:
    return Window(ann)


@pytest.fixture
def bobs(bob) -> Window:
    return Window(bob)


def links(page: Page, css: str) -> list[str]:
    return [own["href"] for own in page.all("a", class_=css)]


def running(change: Change) -> None:
    """Leave what a worker leaves in the middle of a change: one step done, one that was tried twice and goes on."""
    now = datetime.now(UTC)
    Change.objects.filter(pk=change.pk).update(state="running", approved_at=now, started_at=now)
    one = change.steps.create(
        number=1, kind="write", args={}, title="Write version 15", state="done", started_at=now - timedelta(seconds=9),
        ended_at=now, seen_at=now, says="Version 15 is written.",
    )  # fmt: skip
    one.attempts.create(number=1, epoch=1, worker="w-1", intent={"cas": 14}, outcome="done", receipt={"version": 15})
    two = change.steps.create(
        number=2, kind="destroy", args={}, title="Destroy version 14", state="waiting", started_at=now,
        progress={"done": 1, "of": 4},
    )  # fmt: skip
    two.attempts.create(number=1, epoch=1, worker="w-1", outcome="refused", says="the budget allows 0 disruptions")
    two.attempts.create(number=2, epoch=2, worker="w-2")
    change.proofs.create(
        step=1, kind="pod", subject="payments/ledger-1", state="proven", grade="exact", holds="v15", at=now
    )
    change.proofs.create(
        step=1, kind="pod", subject="payments/ledger-2", state="short", says="synced, not yet in this pod"
    )
