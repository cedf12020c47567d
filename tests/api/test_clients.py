"""Collectors of other people - dlt's REST source and Airbyte's declarative CDK - read all of the record, a 429 between.

They live in an environment of their own (requirements/clients.txt), which the first run makes at build/clients.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.test_pull import own_sandbox, served, stored, token_for
from tests.audit.conftest import ROOT
from tests.audit.lines import calls, log

__all__ = ["own_sandbox"]
pytestmark = pytest.mark.long
CALLS, PER_MINUTE = 2_500, 4
LOCK = ROOT / "requirements" / "clients.txt"

DLT = """
import json, sys
import dlt
from dlt.sources.rest_api import rest_api_source
from dlt.sources.helpers.rest_client.paginators import HeaderLinkPaginator, JSONResponseCursorPaginator
url, token, how, until = sys.argv[1:5]
params = {"limit": 400} | ({"since": "2026-01-01", "until": until} if how == "link" else {})
paginator = (
    HeaderLinkPaginator() if how == "link"
    else JSONResponseCursorPaginator(cursor_path="next_cursor", cursor_param="cursor", has_more_path="has_more")
)
source = rest_api_source({
    "client": {"base_url": url + "/api/v1/", "auth": {"type": "bearer", "token": token}, "paginator": paginator},
    "resources": [{"name": "events", "endpoint": {"path": "events", "params": params, "data_selector": "items"}}],
})
print(json.dumps([item["id"] for item in source.resources["events"]]))
"""
AIRBYTE = """
import json, sys
from airbyte_cdk.models import ConfiguredAirbyteCatalog, ConfiguredAirbyteStream, DestinationSyncMode, SyncMode, Type
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
import logging
url, token = sys.argv[1:3]
stream = {
    "type": "DeclarativeStream", "name": "events", "primary_key": ["id"],
    "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": {}}},
    "retriever": {
        "type": "SimpleRetriever",
        "requester": {
            "type": "HttpRequester", "url_base": url, "path": "/api/v1/events", "http_method": "GET",
            "request_parameters": {"limit": "400"},
            "authenticator": {"type": "BearerAuthenticator", "api_token": token},
            "error_handler": {
                "type": "DefaultErrorHandler",
                "backoff_strategies": [{"type": "WaitTimeFromHeader", "header": "Retry-After"}],
            },
        },
        "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": ["items"]}},
        "paginator": {
            "type": "DefaultPaginator",
            "page_token_option": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "cursor"},
            "pagination_strategy": {
                "type": "CursorPagination", "cursor_value": "{{ response['next_cursor'] }}",
                "stop_condition": "{{ not response['has_more'] }}",
            },
        },
    },
}
source = ConcurrentDeclarativeSource(catalog=None, config={}, state=None, source_config={
    "version": "6.0.0", "type": "DeclarativeSource", "streams": [stream],
    "check": {"type": "CheckStream", "stream_names": ["events"]},
    "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
})
logger = logging.getLogger("airbyte")
catalog = ConfiguredAirbyteCatalog(streams=[ConfiguredAirbyteStream(
    stream=source.streams({})[0].as_airbyte_stream(), sync_mode=SyncMode.full_refresh,
    destination_sync_mode=DestinationSyncMode.overwrite)])
found = [m.record.data["id"] for m in source.read(logger, {}, catalog, None) if m.type == Type.RECORD]
print(json.dumps(found))
"""


@pytest.fixture(scope="session")
def clients() -> Path:
    """The Python of the clients' own environment, made anew when the lock has changed."""
    place = ROOT / "build" / "clients"
    python, stamp = place / "bin" / "python", place / "keybook-lock"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not (python.exists() and stamp.exists() and stamp.read_text() == wanted):
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        words = ["-m", "pip", "install", "-qq", "--disable-pip-version-check", "--require-hashes", "-r", LOCK]
        subprocess.run([python, *words], check=True)
        stamp.write_text(wanted)
    return python


@pytest.fixture(scope="module")
def api(own_sandbox, tmp_path_factory):
    """The API over 2,500 events, which lets a token ask four times a minute."""
    own_sandbox.empty()
    file = tmp_path_factory.mktemp("clients") / "a.log"
    file.write_bytes(log(calls(CALLS)))
    own_sandbox.manage("ingest_file", str(file), "--vault", "demo")
    limited = type(own_sandbox)("keybook", {**own_sandbox.environment, "KEYBOOK_API_PER_MINUTE": str(PER_MINUTE)})
    asked = file.with_name("asked.log")
    asked.touch()
    with served(limited, str(asked)) as web:
        yield own_sandbox, f"http://{web.place}", asked


def ids_read_by(clients: Path, program: str, *words: str) -> list[int]:
    command = [clients, "-c", program, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3_000:]
    return json.loads(done.stdout.splitlines()[-1])


def check(found: list[int], sandbox, asked: Path, before: int) -> None:
    """See that all came, in order and once, and that a 429 stood between."""
    assert found == stored(sandbox) and len(found) == CALLS
    assert '" 429 ' in asked.read_text()[before:]


@pytest.mark.parametrize("how", ["cursor", "link"])
def test_dlt_reads_everything(api, clients, how):
    sandbox, url, asked = api
    before = asked.stat().st_size
    found = ids_read_by(clients, DLT, url, token_for(sandbox), how, "2027-01-01")
    check(found, sandbox, asked, before)


def test_airbyte_reads_everything(api, clients):
    sandbox, url, asked = api
    before = asked.stat().st_size
    check(ids_read_by(clients, AIRBYTE, url, token_for(sandbox)), sandbox, asked, before)
