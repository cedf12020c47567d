"""What the injector's agent was told (`VAULT_CONFIG`): names, paths, addresses and times are kept, nothing else."""

from __future__ import annotations

import base64
import binascii

import msgspec

from cluster.kinds.meta import Shape
from cluster.redaction import bare_address, paths_in_template


class Template(Shape):
    """One file that the agent renders; `paths` are those that its text reads, `source` a template file on its disk."""

    destination: str = ""
    paths: list[str] = []
    source: str = ""
    command: bool = False
    error_on_missing_key: bool = False


class Agent(Shape):
    """The resolved configuration of one agent; `unreadable` says why when it could not be decoded."""

    address: str = ""
    namespace: str = ""
    method: str = ""
    mount: str = ""
    role: str = ""
    templates: list[Template] = []
    render_interval: str = ""
    renewal_threshold: float | None = None
    exit_after_auth: bool = False
    writes_token: bool = False
    caches: bool = False
    unreadable: str = ""


class _Login(msgspec.Struct, gc=False):
    role: str = ""


class _Method(msgspec.Struct, gc=False):
    type: str = ""
    mount_path: str = ""
    namespace: str = ""
    config: _Login = msgspec.field(default_factory=_Login)


class _Sink(msgspec.Struct, gc=False):
    config: dict[str, msgspec.Raw] = {}


class _AutoAuth(msgspec.Struct, gc=False):
    method: _Method = msgspec.field(default_factory=_Method)
    sink: list[_Sink] | None = None


class _Vault(msgspec.Struct, gc=False):
    address: str = ""
    namespace: str = ""


class _Template(msgspec.Struct, gc=False):
    destination: str = ""
    contents: str = ""
    source: str = ""
    command: msgspec.Raw = msgspec.Raw()
    error_on_missing_key: bool = False


class _Rendering(msgspec.Struct, gc=False):
    static_secret_render_interval: str | int = ""
    lease_renewal_threshold: float | None = None


class _Config(msgspec.Struct, gc=False):
    vault: _Vault = msgspec.field(default_factory=_Vault)
    auto_auth: _AutoAuth = msgspec.field(default_factory=_AutoAuth)
    template: list[_Template] | None = None
    template_config: _Rendering | None = None
    exit_after_auth: bool = False
    cache: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(_Config).decode
# Where the injector lets every agent keep its own token; another sink is one that the application is to read.
_OWN_SINKS = (b'"/home/vault/.vault-token"', b'"/home/vault/.token"')


def decode_agent(text: str) -> Agent:
    """Return the derived fields of a base64 `VAULT_CONFIG`; never raises, and keeps no text of a template."""
    try:
        config = _decode(base64.b64decode(text, validate=True))
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError):
        return Agent(unreadable="VAULT_CONFIG is not the base64 JSON that the injector writes")
    method, rendering = config.auto_auth.method, config.template_config or _Rendering()
    return Agent(
        address=bare_address(config.vault.address),
        namespace=method.namespace or config.vault.namespace,
        method=method.type,
        mount=method.mount_path.strip("/").removeprefix("auth/"),
        role=method.config.role,
        templates=[_template(each) for each in config.template or ()],
        render_interval=str(rendering.static_secret_render_interval or ""),
        renewal_threshold=rendering.lease_renewal_threshold,
        exit_after_auth=config.exit_after_auth,
        writes_token=any(_for_the_application(each) for each in config.auto_auth.sink or ()),
        caches=bytes(config.cache) not in {b"", b"null"},
    )


def _template(given: _Template) -> Template:
    return Template(
        destination=given.destination,
        paths=paths_in_template(given.contents),
        source=given.source,
        command=bytes(given.command) not in {b"", b"null", b'""'},
        error_on_missing_key=given.error_on_missing_key,
    )


def _for_the_application(sink: _Sink) -> bool:
    path = bytes(sink.config.get("path", b""))
    return bool(path) and path not in _OWN_SINKS
