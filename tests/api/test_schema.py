"""The OpenAPI document: it is the one that is committed, and no request made from it breaks the server or its word."""

from __future__ import annotations

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts import api_rate, tokens
from accounts.models import User
from accounts.scope import EVERYTHING
from accounts.token_wish import SCOPES
from accounts.tokens import Bearer
from config import openapi
from tests.api.conftest import Collector
from tests.audit.conftest import ROOT
from tests.audit.lines import START, calls, log
from tests.dashboard.route_table import API_SCOPES, TABLE


def test_the_committed_document_is_that_of_the_views():
    assert openapi.text() == (ROOT / "docs" / "openapi.yaml").read_text(), "run manage.py openapi > docs/openapi.yaml"


def test_the_document_describes_every_route():
    told = {
        path.format(
            event_id=1, secret_id=999999, change_id="C-999999", schedule_id=999999, finding="M-999999", name="nothing"
        )
        for path in openapi.document()["paths"]
    }
    assert told == {TABLE[name].address for name in API_SCOPES if name != "api-nothing"}


def test_whoever_asks_gets_the_document(db):
    assert Collector().ask("/schema/").json == openapi.document()


@pytest.fixture(scope="module")
def described(empty_past, tmp_path_factory):
    """The API over a past of some calls, with a token that may read all of it."""
    patch = pytest.MonkeyPatch()
    person = User(pk=1, username="eve", role="administrator")
    end = START.replace(year=2030)
    patch.setattr(tokens, "find", lambda *_: Bearer(1, "siem", person, frozenset(SCOPES), EVERYTHING, end, ()))
    patch.setattr(api_rate, "count", lambda caller: None)
    file = tmp_path_factory.mktemp("described") / "a.log"
    file.write_bytes(log(calls(20)))
    with empty_past() as past:
        past.take(file)
        yield past
    patch.undo()


SCHEMA = schemathesis.openapi.from_dict(openapi.document())
SCHEMA.app = get_wsgi_application()
OPERATIONS = {one.label: one for one in (found.ok() for found in SCHEMA.get_all_operations())}
CHECKS = [
    schemathesis.checks.not_a_server_error, status_code_conformance, content_type_conformance,
    response_schema_conformance,
]  # fmt: skip
SHOWN = {"Authorization": "Bearer kbk_stand-in", "Host": "localhost", "Accept-Encoding": "identity"}
POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
CASES = [(label, mode) for label in OPERATIONS for mode in (POSITIVE, NEGATIVE)]
CASES.remove(("GET /api/v1/schema/", NEGATIVE))  # it takes nothing that could be wrong


@pytest.mark.parametrize("examples", [8, pytest.param(500, marks=pytest.mark.long)])
@pytest.mark.parametrize("label, mode", CASES)
def test_no_request_made_from_the_document_breaks_the_server_or_its_word(described, label, mode, examples):
    strategy = OPERATIONS[label].as_strategy(generation_mode=mode)

    @given(case=strategy)
    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def see(case):
        case.call_and_validate(headers=SHOWN, checks=CHECKS)

    see()
