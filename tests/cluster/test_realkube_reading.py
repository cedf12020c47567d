"""What reading relies on, asked of the simulated Kubernetes API and, where one is given, of a real API server.

A real one is given by KUBE_TEST_URL with KUBE_TEST_TOKEN (and KUBE_TEST_CA, a file), or by KUBE_TEST_KUBECONFIG (and
KUBE_TEST_CONTEXT). Who asks must be allowed to make a namespace; everything is made in one and deleted with it.
"""

from __future__ import annotations

import base64
import json
import os
import time
from dataclasses import dataclass
from uuid import uuid4

import msgspec
import pytest

from cluster import errors
from cluster.client import Client
from cluster.decoding import decode_event, decode_page
from cluster.place import Address, Kubeconfig
from cluster.resources import RESOURCES, Resource
from cluster.turn import hold
from sandbox.kubeapi import KubeApi
from tests.cluster.watched import HASTY, Diary

pytestmark = pytest.mark.realkube
CONFIGMAPS = msgspec.structs.replace(RESOURCES["configmaps"], metadata_only=False)
SECRETS = RESOURCES["secrets"]
CANARY = base64.b64encode(b"canary-of-a-value").decode()


class Writer(Client):
    """A client that also writes, as a test must."""

    def send(self, method: str, path: str, body=None):
        sent = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        answer = self._ask(method, path, {}, headers, verb=method.lower(), resource=path, body=sent)
        return json.loads(self._whole(answer, path))


@dataclass
class Server:
    """An API server of a test, with a namespace of its own."""

    place: Address | Kubeconfig
    namespace: str
    simulated: KubeApi | None = None

    def __post_init__(self):
        self.client = Writer(self.place)
        self.path = f"/api/v1/namespaces/{self.namespace}"
        self.made = 0

    def make(self, kind: str, name: str, **body):
        head = {
            "apiVersion": "v1",
            "kind": kind,
            "metadata": {"name": name, "labels": {"made": "yes"}} | body.pop("metadata", {}),
        }
        return self.client.send("POST", f"{self.path}/{kind.lower()}s", head | body)

    def drop(self, kind: str, name: str):
        return self.client.send("DELETE", f"{self.path}/{kind.lower()}s/{name}")

    def stranger(self) -> Client:
        """A client of a service account that no role allows anything."""
        self.make("ServiceAccount", "stranger")
        wish = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
        told = self.client.send("POST", f"{self.path}/serviceaccounts/stranger/token", wish)
        ca = os.environ.get("KUBE_TEST_CA", "") or self.client._configuration.ssl_ca_cert or ""
        return Client(Address(self.client.address, told["status"]["token"], ca_file=ca))


def given() -> list[Address | Kubeconfig]:
    if file := os.environ.get("KUBE_TEST_KUBECONFIG"):
        return [Kubeconfig(file, os.environ.get("KUBE_TEST_CONTEXT", ""))]
    if url := os.environ.get("KUBE_TEST_URL"):
        return [Address(url, os.environ.get("KUBE_TEST_TOKEN", ""), ca_file=os.environ.get("KUBE_TEST_CA", ""))]
    return []


@pytest.fixture(params=["simulated", *(["real"] if given() else [])])
def server(request):
    name = f"keybook-test-{uuid4().hex[:8]}"
    if request.param == "simulated":
        with KubeApi() as api:
            api.store.namespace(name)
            yield Server(Address(api.url, api.token), name, api)
        return
    real = Server(given()[0], name)
    real.client.send(
        "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    )
    yield real
    real.client.send("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def alone(server):
    """A server that is the simulated one; what a test does to it nobody may do to a real one."""
    return server if server.simulated else pytest.skip("only a simulated server may be treated so")


def pages(server: Server, resource: Resource, **params: str):
    token, found = "", []
    while not found or token:
        found.append(decode_page(resource, server.client.page(resource, limit=2, token=token, **params)))
        token = found[-1].continue_
    return found


def version(server: Server, resource: Resource) -> str:
    return decode_page(resource, server.client.page(resource, limit=1)).resource_version


def ours(server: Server, items):
    return [one for one in items if one.metadata.namespace == server.namespace]


def watch(server: Server, resource: Resource, since: str, seconds: int):
    """The events of a watch until the server ends it."""
    with server.client.watch(resource, since, seconds=seconds, silence=seconds + 10) as stream:
        return [decode_event(resource, line) for line in stream]


def test_a_list_comes_in_pages_of_one_version_each_object_once(server):
    for number in range(5):
        server.make("ConfigMap", f"map-{number}")
    found = pages(server, CONFIGMAPS)
    assert {len(page.items) for page in found[:-1]} == {2} and len(found) >= 3
    assert len({page.resource_version for page in found}) == 1
    assert found[0].remaining == sum(len(page.items) for page in found[1:])
    every = [one for page in found for one in page.items]
    assert len({one.metadata.uid for one in every}) == len(every)
    assert {f"map-{number}" for number in range(5)} <= {one.metadata.name for one in ours(server, every)}


def test_a_list_from_the_cache_ignores_the_limit(server):
    for number in range(5):
        server.make("ConfigMap", f"map-{number}")
    page = decode_page(CONFIGMAPS, server.client.page(CONFIGMAPS, limit=2, resourceVersion="0"))
    assert len(page.items) >= 5 and not page.continue_


def test_a_watch_tells_what_happened_since_its_version_and_ends_when_it_was_asked_to(server):
    since = version(server, CONFIGMAPS)
    made = server.make("ConfigMap", "one")
    server.client.send("PUT", f"{server.path}/configmaps/one", made | {"data": {"key": "value"}})
    server.drop("ConfigMap", "one")
    began = time.monotonic()
    told = [one for one in watch(server, CONFIGMAPS, since, 2) if one.object and ours(server, [one.object])]
    assert 1 <= time.monotonic() - began < 8
    assert [one.type for one in told if one.object.metadata.name == "one"] == ["ADDED", "MODIFIED", "DELETED"]
    assert {one.object.metadata.uid for one in told if one.object.metadata.name == "one"} == {made["metadata"]["uid"]}


def test_a_bookmark_comes_before_the_end_of_a_watch_that_told_something(server):
    since = version(server, CONFIGMAPS)
    server.make("ConfigMap", "one")
    told = watch(server, CONFIGMAPS, since, 4)
    marks = [one for one in told if one.type == "BOOKMARK"]
    assert marks and marks[-1].object is None and marks[-1].resource_version != since
    assert watch(server, CONFIGMAPS, marks[-1].resource_version, 1) == [] or server.simulated is None


def test_a_version_that_was_forgotten_is_gone_on_lists_and_on_watches(server):
    server.make("ConfigMap", "one")
    since = "1"
    if server.simulated:
        since = version(server, CONFIGMAPS)
        server.make("ConfigMap", "two")
        server.simulated.store.age()
    exact = {"resourceVersion": since, "resourceVersionMatch": "Exact"}
    forgotten = False
    try:
        server.client.page(CONFIGMAPS, limit=1, **exact)
    except errors.Expired:
        forgotten = True
    first = watch(server, CONFIGMAPS, since, 2)[0]
    if server.simulated or first.type == "ERROR":
        assert (first.type, first.failure.code, first.failure.reason) == ("ERROR", 410, "Expired")
    assert forgotten or not server.simulated, "an API server keeps versions for some minutes"


def test_a_page_of_a_list_that_was_forgotten_is_gone(alone):
    for number in range(5):
        alone.make("ConfigMap", f"map-{number}")
    token = decode_page(CONFIGMAPS, alone.client.page(CONFIGMAPS, limit=2)).continue_
    alone.make("ConfigMap", "later")
    alone.simulated.store.age()
    with pytest.raises(errors.Expired):
        alone.client.page(CONFIGMAPS, limit=2, token=token)


def test_a_token_that_is_none_is_refused_and_not_called_gone(server):
    with pytest.raises(errors.Refused) as told:
        server.client.page(CONFIGMAPS, limit=2, token="garbage")
    assert not isinstance(told.value, errors.NotPermitted | errors.NotInstalled | errors.TokenRefused)


def test_a_version_of_the_future_is_refused_by_a_list_and_silent_on_a_watch(server):
    future = str(int(version(server, CONFIGMAPS)) + 10_000_000)
    with pytest.raises(errors.NotYet):
        server.client.page(CONFIGMAPS, limit=1, resourceVersion=future, resourceVersionMatch="NotOlderThan")
    assert watch(server, CONFIGMAPS, future, 2) == []


def test_of_secrets_only_metadata_leaves_the_server(server):
    since = version(server, SECRETS)
    applied = json.dumps({"data": {"password": CANARY}})
    notes = {"kubectl.kubernetes.io/last-applied-configuration": applied}
    server.make("Secret", "db", data={"password": CANARY}, metadata={"annotations": notes})
    raw = server.client.page(SECRETS)
    assert json.loads(raw)["kind"] == "PartialObjectMetadataList" and b'"data":{' not in raw
    (found,) = [one for one in ours(server, decode_page(SECRETS, raw).items) if one.metadata.name == "db"]
    assert CANARY not in repr(found), "the annotation that holds the values is dropped as it is read"
    with server.client.watch(SECRETS, since, seconds=2, silence=10) as stream:
        lines = [line for line in stream if b'"db"' in line]
    assert (
        json.loads(lines[0])["object"]["kind"] == "PartialObjectMetadata"
        and "data" not in json.loads(lines[0])["object"]
    )
    assert CANARY not in repr([decode_event(SECRETS, line) for line in lines])


def test_a_watch_with_the_accept_header_of_a_list_sees_nothing(server):
    """The trap: 200, empty, and over at the first event; so the two headers must never be mixed up."""
    since = version(server, SECRETS)
    headers = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
    params = {"watch": "true", "resourceVersion": since, "timeoutSeconds": "2"}
    server.make("Secret", "one")
    answer = server.client._ask("GET", SECRETS.path, params, headers, verb="watch", resource="secrets")
    assert answer.status == 200 and server.client._whole(answer, SECRETS.path).strip() == b""


def test_a_form_that_the_server_does_not_know_is_refused_instead_of_answered_with_values(server):
    headers = {"Accept": "application/json;as=Nonsense;g=meta.k8s.io;v=v1"}
    with pytest.raises(errors.Refused, match="406"):
        server.client._ask("GET", SECRETS.path, {}, headers, verb="list", resource="secrets")


@pytest.mark.parametrize("name", ["pods", "secrets", "deployments"])
def test_without_a_right_the_verb_and_the_resource_are_named(server, name):
    with pytest.raises(errors.NotPermitted, match=f"we may not list {name}: it says .*cannot list resource"):
        server.stranger().page(RESOURCES[name], limit=1)


def test_without_a_right_to_watch_the_watch_is_refused_before_it_begins(server):
    with pytest.raises(errors.NotPermitted, match="we may not watch pods"):
        server.stranger().watch(RESOURCES["pods"], "1", seconds=1, silence=5)


def test_a_token_that_nobody_knows_is_refused(server):
    ca = server.client._configuration.ssl_ca_cert or ""
    with pytest.raises(errors.TokenRefused):
        Client(Address(server.client.address, "nobody", ca_file=ca)).page(RESOURCES["pods"], limit=1)


@pytest.mark.parametrize("group", ["keybook.example", "apps"])
def test_a_resource_that_is_not_installed_is_told_as_that(server, group):
    with pytest.raises(errors.NotInstalled, match="the cluster has no figments"):
        server.client.page(Resource("figments", group, "v1", "Figment"), limit=1)


def test_a_large_list_arrives_whole_whether_packed_or_not(server):
    for number in range(3):
        server.make("ConfigMap", f"large-{number}", data={"text": f"{number} of many words " * 4000})
    raw = server.client.page(CONFIGMAPS)
    assert len(raw) > 128 * 1024 and raw.count(b'"name":"large-') == 3


def test_a_turn_shows_what_the_server_has(server):
    for number in range(12):
        server.make("ConfigMap", f"map-{number}")
        server.make("Secret", f"secret-{number}")
    diary = Diary()
    names = [name for name in RESOURCES if name != "events"]
    hold(server.client, [RESOURCES[name] for name in names], diary, seconds=2 if server.simulated else 10, pace=HASTY)
    server.drop("ConfigMap", "map-3")
    hold(server.client, [RESOURCES[name] for name in names], diary, seconds=1 if server.simulated else 5, pace=HASTY)
    for name in ("configmaps", "secrets", "namespaces", "serviceaccounts"):
        listed = {one.metadata.uid for page in pages(server, RESOURCES[name]) for one in page.items}
        assert set(diary.seen[name].objects) == listed, name
    assert {seen.state for seen in diary.seen.values()} <= {"watching", "not_installed"}
