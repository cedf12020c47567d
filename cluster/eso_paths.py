"""Which path of the vault External Secrets Operator reads for a key: its own rule, with and without a mount."""

from __future__ import annotations

from cluster.kinds.eso import VaultProvider


def secret_path(provider: VaultProvider, key: str) -> str:
    """Return the path of the vault's API for one key of a store."""
    key, mount = key.strip("/"), provider.path.strip("/")
    if not mount:
        return key if provider.version == "v1" else _with_data(key)
    rest = key.removeprefix(f"{mount}/") if key.startswith(f"{mount}/") else key
    if provider.version == "v1":
        return f"{mount}/{rest}"
    return f"{mount}/data/{rest.removeprefix('data/')}"


def extent(provider: VaultProvider, below: str) -> str:
    """Return what `find` may read: all below a path, written with `*` at its end."""
    below = below.strip("/")
    return f"{secret_path(provider, below)}/*" if below else _all(provider)


def _all(provider: VaultProvider) -> str:
    mount = provider.path.strip("/")
    if not mount:
        return "*"
    return f"{mount}/*" if provider.version == "v1" else f"{mount}/data/*"


def _with_data(key: str) -> str:
    if "/data/" in key:
        return key
    mount, slash, rest = key.partition("/")
    return f"{mount}/data/{rest}" if slash else key
