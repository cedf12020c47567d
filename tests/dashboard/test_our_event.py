"""What the drawer of an event says of a call that claims to be Keybook's own."""

from __future__ import annotations

import pytest

from accounts.scope import EVERYTHING, Area, Scope
from audit import actions, our_calls
from audit.our_models import OurCall
from dashboard.event_page import EventPage
from tests.audit.conftest import forget_everything
from tests.audit.our_lines import MINT, OPERATION, WRITE, WROTE, lines, work

OTHER = work(9, caller=("another op token", *OPERATION[1:]), path="secret/data/prod/ledger/key", answer=WRITE)


@pytest.fixture(scope="module")
def filled(django_db_setup, django_db_blocker, tmp_path_factory):
    """Import our mint, our write, and a write whose token was made where nobody looked."""
    file = tmp_path_factory.mktemp("logs") / "audit.log"
    file.write_bytes(lines([MINT, WROTE, OTHER]))
    with django_db_blocker.unblock():
        forget_everything()
        actions.import_files([str(file)], vault="demo", device="file")
        yield
        forget_everything()


def rungs(event, scope=EVERYTHING):
    page = EventPage.find(event, "who", lambda *_: "", scope)
    return {one.label: (one.quote, one.words) for one in page.ladder}


def test_it_names_the_change_and_who_made_the_token(db, filled):
    _, wrote, other = our_calls.calls_of("C-215")
    assert rungs(wrote.event)["Keybook"] == (
        "change C-215", "its token was made by keybook/operations by the role keybook-op-kv-write",
    )  # fmt: skip
    assert rungs(other.event)["Keybook"] == ("change C-215", "the record does not show who made its token")


def test_a_limited_view_and_other_events_have_no_such_words(db, filled):
    wrote = our_calls.calls_of("C-215")[1]
    assert "Keybook" not in rungs(wrote.event, Scope.of([Area("demo", "", "secret/prod")]))
    OurCall.objects.filter(event_id=wrote.event).delete()
    assert "Keybook" not in rungs(wrote.event)
