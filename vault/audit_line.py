"""The grammar of one audit line, Vault 1.5 to today and OpenBao 2.x: decoded into frozen, typed parts.

Shape and field names: the vendors' audit docs and the `audit` package of both code bases; every field is
`omitempty`, so a missing key means empty. Unknown fields and types are kept in the line as stored, never refused.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Namespace(msgspec.Struct, gc=False, frozen=True):
    """`request.namespace`: the root namespace has the id `root` and no path; paths end in `/`."""

    id: str = ""
    path: str = ""


class Auth(msgspec.Struct, gc=False, frozen=True):
    """`auth` and `response.auth`: who the caller is to the vault; HMACs are of the device that wrote the line."""

    client_token: str = ""
    accessor: str = ""
    display_name: str = ""
    policies: list[str] | None = None
    metadata: dict[str, Any] | None = None
    entity_id: str = ""
    entity_created: bool = False
    token_type: str = ""
    token_ttl: int = 0


class Request(msgspec.Struct, gc=False, frozen=True):
    """`request`: what was asked. `path` is relative to the namespace, `mount_point` is not."""

    id: str = ""
    operation: str = ""
    mount_point: str = ""
    mount_type: str = ""
    mount_accessor: str = ""
    client_token: str = ""
    client_token_accessor: str = ""
    namespace: Namespace = Namespace()
    path: str = ""
    data: msgspec.Raw = msgspec.Raw()
    remote_address: str = ""
    remote_port: int = 0
    wrap_ttl: int = 0
    headers: msgspec.Raw = msgspec.Raw()


class Secret(msgspec.Struct, gc=False, frozen=True):
    """`response.secret`: `{}` for every KV v1 read, so look at `lease_id`."""

    lease_id: str = ""


class WrapInfo(msgspec.Struct, gc=False, frozen=True):
    """`response.wrap_info`: the answer was wrapped; `token` is an HMAC, `creation_path` plain."""

    ttl: int = 0
    token: str = ""
    accessor: str = ""
    creation_time: str = ""
    creation_path: str = ""
    wrapped_accessor: str = ""


class Response(msgspec.Struct, gc=False, frozen=True):
    """`response`: what was answered; `data` is missing when nothing was disclosed."""

    auth: Auth | None = None
    mount_point: str = ""
    mount_type: str = ""
    mount_accessor: str = ""
    secret: Secret | None = None
    data: msgspec.Raw = msgspec.Raw()
    warnings: msgspec.Raw = msgspec.Raw()
    wrap_info: WrapInfo | None = None
    redirect: str = ""
    headers: msgspec.Raw = msgspec.Raw()


class Line(msgspec.Struct, gc=False, frozen=True):
    """One decoded audit line; `auth` stays raw because the same token repeats the same bytes, so it is worth caching."""

    time: str = ""
    type: str = ""
    auth: msgspec.Raw = msgspec.Raw()
    request: Request = Request()
    response: Response | None = None
    error: str = ""
