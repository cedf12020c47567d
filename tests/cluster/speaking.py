"""Plain HTTP with a Kubernetes API, simulated or real: no client library stands between a test and the wire."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import requests

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@dataclass
class Speaker:
    """Somebody who speaks with an API server; paths are those of the API."""

    url: str
    token: str = ""
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self):
        self.session.trust_env = False
        if self.token:
            self.session.headers["Authorization"] = f"Bearer {self.token}"

    def ask(self, method: str, path: str, body=None, *, content: str = "application/json", accept: str = "", **query):
        """Return the answer, whatever its status."""
        headers = {"Content-Type": content} | ({"Accept": accept} if accept else {})
        data = None if body is None else json.dumps(body).encode()
        return self.session.request(method, self.url + path, params=query, data=data, headers=headers, timeout=30)

    def get(self, path: str, **also):
        return self.ask("GET", path, **also)

    def post(self, path: str, body, **also):
        return self.ask("POST", path, body, **also)

    def put(self, path: str, body, **also):
        return self.ask("PUT", path, body, **also)

    def patch(self, path: str, body, content: str = STRATEGIC, **also):
        return self.ask("PATCH", path, body, content=content, **also)

    def delete(self, path: str, body=None, **also):
        return self.ask("DELETE", path, body, **also)

    def watch(self, path: str, *, accept: str = "", seconds: int = 10, **query):
        """Yield the events of a watch until the server ends it."""
        headers = {"Accept": accept} if accept else {}
        params = {"watch": "true", "timeoutSeconds": seconds, **query}
        with self.session.get(
            self.url + path, params=params, headers=headers, stream=True, timeout=seconds + 10
        ) as answer:
            assert answer.status_code == 200, answer.text
            for line in answer.iter_lines(chunk_size=None):
                yield json.loads(line)

    def listed(self, path: str, **query) -> dict:
        """Return a list that must succeed."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def version(self, path: str) -> str:
        """Return the version of a list of now."""
        return self.listed(path, limit=1)["metadata"]["resourceVersion"]
