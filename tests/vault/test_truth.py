"""The pure rules, run over recorded logs, tell exactly what the callers say they did."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

import pytest

from audit.principal import identify
from tests.vault.callers import happened
from vault import paths, reads
from vault.audit_line import Line, decode, decode_auth
from vault.reads import Disclosure, Outcome


class Story:
    """One device's log, told event by event: who did what to which secret with which outcome."""

    def __init__(self, log: bytes) -> None:
        self.pairs: dict[str, dict[str, Line]] = defaultdict(dict)
        for raw in log.splitlines():
            line, _ = decode(raw)
            self.pairs[line.request.id][line.type] = line
        self.versions: dict[tuple[str, str], int] = {}
        self.wraps: dict[str, tuple[Line, paths.Place]] = {}
        self.owners: dict[str, tuple[str, str]] = {}
        for pair in self.pairs.values():
            self._learn(pair)
        self.events = [self._event(pair) for pair in self.pairs.values()]

    def _learn(self, pair):
        for line in pair.values():
            auth = decode_auth(line.auth)
            who = identify(auth)
            if auth.client_token and who.kind != "anonymous":
                self.owners.setdefault(auth.client_token, (str(who.kind), who.name))
        line = pair.get("response")
        if line is None:
            return
        place, answer = self._place(line), line.response
        if line.request.mount_type == "kv":
            version = paths.kv_version(place.rest, reads.top_keys(bytes(answer.data)), line.request.operation)
            key = (place.namespace, place.mount)
            if version:
                assert self.versions.setdefault(key, version) == version, "two answers disagree about a mount"
        if answer.wrap_info is not None:
            self.wraps[answer.wrap_info.token] = (line, place)

    def _place(self, line):
        point = line.request.mount_point or (line.response.mount_point if line.response else "")
        return paths.place(line.request.path, point, line.request.namespace.path)

    def _event(self, pair):
        asked, answered = pair.get("request"), pair.get("response")
        line = answered or asked
        request, answer, place = line.request, line.response, self._place(line)
        data = bytes(answer.data) if answer else b""
        kind = request.mount_type or (answer.mount_type if answer else "")
        facts = {"has_auth": bool(answer and answer.auth), "wrapped": bool(answer and answer.wrap_info)}
        outcome = reads.outcome(
            operation=request.operation, mount=place.mount, rest=place.rest, has_response=answered is not None,
            request_error=asked.error if asked else "", response_error=answered.error if answered else "",
            data=data, **facts,
        )  # fmt: skip
        version = self.versions.get((place.namespace, place.mount), 0)
        disclosed = reads.disclosure(
            outcome=outcome, operation=request.operation, mount_type=kind, rest=place.rest, data=data,
            kv_version=version, **facts,
        )  # fmt: skip
        if disclosed and kind == "system" and place.rest == "wrapping/unwrap":
            return self._unwrap(line, data, facts["has_auth"])
        logical = paths.secret_path(kind, version, place.rest, request.operation)
        name = paths.print_name(place.namespace, place.mount, logical) if logical else ""
        return outcome, disclosed, self._who(line), name, request.path, reads.kv_version_read(data)

    def _unwrap(self, line, data, has_auth):
        sent = json.loads(bytes(line.request.data)).get("token") if line.request.data else None
        wrapped, place = self.wraps[sent or line.request.client_token]
        version = self.versions.get((place.namespace, place.mount), 0)
        disclosed = reads.unwrap_disclosure(
            operation=wrapped.request.operation, mount_type=wrapped.request.mount_type, rest=place.rest, data=data,
            kv_version=version, has_auth=has_auth,
        )  # fmt: skip
        logical = paths.secret_path(wrapped.request.mount_type, version, place.rest, wrapped.request.operation)
        name = paths.print_name(place.namespace, place.mount, logical)
        return Outcome.OK, disclosed, self._who(line), name, line.request.path, reads.kv_version_read(data)

    def _who(self, line):
        who = identify(decode_auth(line.auth))
        if who.kind == "anonymous" and line.request.client_token in self.owners:
            return self.owners[line.request.client_token]
        return str(who.kind), who.name


@pytest.fixture(scope="module", params=["audit.log", "audit-http.log"])
def story(request, recorded):
    return Story(recorded(request.param))


def test_every_read_of_every_secret_is_told_and_no_other(story, truth):
    told = defaultdict(Counter)
    for _, disclosed, who, name, *_ in story.events:
        if disclosed is Disclosure.VALUE:
            told[who][name] += 1
    assert told == happened(truth, "reads")
    assert sum(sum(counts.values()) for counts in told.values()) == 715


def test_every_issued_credential_is_told(story, truth):
    told = Counter(name for _, disclosed, _, name, *_ in story.events if disclosed is Disclosure.CREDENTIAL)
    dynamic = {name: count for name, count in told.items() if "/creds/" in name}
    leased = Counter(
        f"{lease['namespace']}{lease['path']}" for lease in truth["leases"].values() if "/creds/" in lease["path"]
    )
    assert dynamic == leased
    assert told["auth/approle/role/nightly-backup/secret-id"] == 2  # both came out of their wrapping
    assert told["auth/token/create"] == 1


def test_every_private_key_and_every_decryption_is_told(story, truth):
    told = Counter((disclosed.label, name) for _, disclosed, _, name, *_ in story.events)
    calls = Counter((call["op"], call["path"]) for call in truth["calls"] if call["status"] == 200)
    assert told["key", "pki/issue/internal"] == calls["pki", "pki/issue/internal"]
    assert told["key", "pki/issue/leased"] == calls["pki", "pki/issue/leased"]
    assert told["plaintext", "transit/keys/app"] == calls["transit", "transit/decrypt/app"]


def test_every_refusal_is_told_and_no_other(story, truth):
    assert sum(outcome is Outcome.DENIED for outcome, *_ in story.events) == truth["denied_total"] == 67


def test_no_missing_secret_counts_as_a_read(story, truth):
    missing = {call["audit_request_id"] for call in truth["calls"] if call["op"] == "read" and call["status"] == 404}
    outcomes = Counter(event[0].label for id, event in zip(story.pairs, story.events, strict=True) if id in missing)
    assert outcomes == {"not_found": len(missing)}


def test_pods_with_mapped_claims_and_versions_are_told(recorded):
    story, happened = Story(recorded("cluster-audit.log")), json.loads(recorded("cluster-truth.json"))
    told = Counter(
        (*who, name, version if disclosed is Disclosure.VALUE else None)
        for _, disclosed, who, name, _, version in story.events
        if disclosed
    )
    wanted = Counter(
        (*(("service_account", read["account"]) if read["account"] else ("human", read["who"])), read["secret"],
         read["version"])
        for read in happened["reads"]
    )  # fmt: skip
    assert told == wanted
