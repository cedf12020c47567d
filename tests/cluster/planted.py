"""Audit records with canaries wherever a policy that logs too much, a webhook or a clumsy client can put a value."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.cluster.records import record, written

TEXT, NUMBER, TYPED = "canary-Tr0ub4dor&3", 738291650417, "canary-typed-on-a-command-line"
PACKED = base64.b64encode(TEXT.encode()).decode()
JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImNhbmFyeSJ9.eyJzdWIiOiJjYW5hcnkifQ.Y2FuYXJ5LXNpZ25hdHVyZQ"
VAULT_TOKEN = "hvs." + "CanaryCanaryCanaryCanary1234"
KEY = "canary_key_of_a_secret"
CANARIES = [TEXT, TEXT.replace("&", "\\u0026"), str(NUMBER), TYPED, PACKED, JWT, VAULT_TOKEN, KEY]


def secret() -> dict[str, Any]:
    """Return a Secret as the API server answers it."""
    data = {"password": PACKED, KEY: PACKED, "pin": base64.b64encode(str(NUMBER).encode()).decode()}
    applied = {"apiVersion": "v1", "kind": "Secret", "stringData": {KEY: TEXT, "pin": NUMBER}, "data": data}
    return {
        "kind": "Secret", "apiVersion": "v1", "type": "Opaque", "data": data, "stringData": {KEY: TEXT},
        "metadata": {
            "name": "db", "namespace": "shop", "uid": "3b1c", "resourceVersion": "77", "labels": {"canary": "x"},
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": written(applied).decode() + "\n", "note": TYPED,
            },
            "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:data": {f"f:{KEY}": {}}}}],
        },
    }  # fmt: skip


def records() -> list[bytes]:
    """Return such records, each of its own request."""
    one, full = secret(), {"level": "RequestResponse"}
    listed = {"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": [one, one]}
    patch = [{"op": "replace", "path": f"/data/{KEY}", "value": PACKED}, {"op": "add", "path": "/x", "value": NUMBER}]
    bad = f'Secret "db" is invalid: data[{KEY}]: Invalid value: "{TEXT}": must be base64'
    made = [
        record(responseObject=one, **full),
        record(responseObject=listed, verb="list", objectRef={"name": ""}, **full),
        record(requestObject=one, responseObject=one, verb="create", responseStatus={"code": 201}, **full),
        record(requestObject={"data": {KEY: PACKED}, "stringData": {"pin": NUMBER}}, verb="patch", level="Request"),
        record(requestObject=patch, verb="patch", level="Request"),
        record(requestObject=json.dumps(one), verb="update", level="Request"),
        record(requestObject=NUMBER, verb="update", level="Request"),
        record(stage="RequestReceived", responseStatus=None, requestObject=one, **full),
        record(responseStatus={"code": 422, "message": bad, "reason": "Invalid", "details": {"causes": [bad]}}),
        record(annotations={"patch.webhook.admission.k8s.io/round_0_index_0": json.dumps({"patch": patch}), KEY: TEXT,
                            "example.com/note": TYPED}),
        record(userAgent=f"<{TEXT}>", sourceIPs=[TEXT, "10.0.0.7"], somethingNew={KEY: TEXT, "n": NUMBER}),
        record(user={"username": "mira", "extra": {"scopes": [TEXT, str(NUMBER)], KEY: [TYPED]}}),
        record(requestURI=f"/api/v1/namespaces/shop/secrets?fieldSelector=data.x%3D{TYPED}&token={JWT}&{KEY}=1&x={NUMBER}",
               verb="list", objectRef={"name": ""}),
        record(requestURI=f"/api/v1/namespaces/shop/pods/app-0/exec?command=mysql&command=-p{TYPED}&command={VAULT_TOKEN}",
               objectRef={"resource": "pods", "subresource": "exec", "name": "app-0"}, verb="create",
               responseStatus={"code": 101}, stage="ResponseStarted"),
        record(requestURI="/api/v1/namespaces/shop/serviceaccounts/app/token", verb="create",
               objectRef={"resource": "serviceaccounts", "subresource": "token", "name": "app"},
               responseObject={"kind": "TokenRequest", "status": {"token": JWT}}, **full),
        record(objectRef={"name": JWT}, requestURI=f"/api/v1/namespaces/shop/secrets/{JWT}",
               responseStatus={"code": 404}),
        record(objectRef={"resource": "configmaps"}, responseObject={"data": {KEY: TEXT}}, **full),
        record(objectRef={"resource": "tokenreviews", "apiGroup": "authentication.k8s.io"}, verb="create",
               requestObject={"spec": {"token": JWT}}, **full),
        record(objectRef={"name": VAULT_TOKEN}, auditID=VAULT_TOKEN),
    ]  # fmt: skip
    return [
        one.replace(b"5ec4100e-dd0e-4886-b789-b301afba0035", b"5ec4100e-dd0e-4886-b789-%012d" % number)
        for number, one in enumerate(made)
    ]


def log() -> bytes:
    """Return a log of them: whole, torn, glued, wrapped, doubled and among rubbish."""
    some = records()
    torn = [one[:cut] for one in some for cut in range(60, len(one), 211)]
    tails = [one[-cut:] for one in some for cut in range(60, len(one), 331)]
    rubbish = [
        f"password={TEXT} {NUMBER}".encode(), json.dumps({KEY: TEXT}).encode(), f"{TEXT}\0\0{TYPED}".encode(),
        written({"log": f"{TYPED} {JWT}\n", "stream": "stdout"}), b"export " + KEY.encode() + b"=" + some[0],
        written({"log": some[1].decode() + "\n", "stream": "stdout", KEY: TEXT}),
        some[0].replace(b'"data":', b'"data":{"x":"' + TEXT.encode() + b'"},"data":'),
        some[0].replace(b'"responseObject"', b'"ResponseObject"'),
    ]  # fmt: skip
    glued = [some[0] + one for one in torn[::7]]
    good = [record(auditID=f"00000000-0000-4000-8000-{number:012d}") for number in range(40)]
    return b"\n".join([*good, *some, *torn, *tails, *rubbish, *glued]) + b"\n" + some[1][:700]
