"""Canaries, the mask as Python values, and any data at any mount, for the tests of the masks."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from vault.data_rules import BY_MOUNT
from vault.masking import mask_data

HMAC = "hmac-sha256:" + "0123456789abcdef" * 4
OTHER = "hmac-sha256:" + "fedcba9876543210" * 4
TOKEN = "hvs.CAESIJlU9JMYEhOPYv4igdhm9PnZDrabYTobQ4Ymnlq1qY"
TEXT, KEY, NUMBER, DATE = "kanarie-Text", "kanarie-Key", "4815162342", "2031-07-09T11:22:33.5Z"
CANARIES = (TEXT, KEY, NUMBER, DATE, "kanarie")


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def masked(data, mount_type="kv", path="secret/data/prod/x", operation="read", side="response", **more):
    """One data object through the mask, as Python values."""
    raw = data if isinstance(data, bytes) else compact(data)
    return json.loads(mask_data(raw, mount_type=mount_type, path=path, operation=operation, side=side, **more))


keys = st.sampled_from([KEY, "data", "metadata", "value", "password", "options", "1", "x y", "é", HMAC])
leaves = st.sampled_from([HMAC, OTHER, None, True, [], {}]) | st.sampled_from([TEXT, int(NUMBER), DATE, TOKEN, [KEY]])
objects = st.recursive(
    leaves, lambda below: st.lists(below, max_size=3) | st.dictionaries(keys, below, max_size=4), max_leaves=12
)
data_objects = st.dictionaries(keys, objects, max_size=4)
mounts = st.sampled_from([*BY_MOUNT, "kv", "cubbyhole", "ns_cubbyhole", "generic", "", "odd"])
paths = st.sampled_from(["secret/data/x", "secret/metadata/x", "legacy/x", "sys/wrapping/unwrap", "sys/wrapping/wrap"])
operations = st.sampled_from(["read", "update", "list", "help", "scan", "patch", "delete", "odd"])
sides = st.sampled_from(["request", "response"])


def holds_a_canary(out):
    return [canary for canary in (*CANARIES, TOKEN) if canary.encode() in out]
