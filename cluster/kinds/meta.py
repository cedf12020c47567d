"""What every object carries: names, owners, times, labels, the annotations that are kept, and who last wrote what."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from cluster.redaction import kept_annotations, kept_message

EMPTY = msgspec.Raw()


class Shape(msgspec.Struct, gc=False, rename="camel", omit_defaults=True):
    """The manner of all structs here: camelCase in JSON, unknown fields are left out, no part of a cycle."""


class Owner(Shape):
    """One of `ownerReferences`; `controller` is set on at most one."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False

    @property
    def group(self) -> str:
        """The API group, without its version; "" for the core group."""
        return self.api_version.rpartition("/")[0]


class Meta(Shape):
    """`metadata`; times are RFC 3339 text as the API server gives it (see `moment`)."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[Owner] = []

    def __post_init__(self) -> None:
        if self.annotations:
            self.annotations = kept_annotations(self.annotations)


class Fields(Shape):
    """Of `fieldsV1` only whether it holds the data, or the status, of the object."""

    data: msgspec.Raw = msgspec.field(name="f:data", default=EMPTY)
    status: msgspec.Raw = msgspec.field(name="f:status", default=EMPTY)
    touches_data: bool = False
    touches_status: bool = False

    def __post_init__(self) -> None:
        # A Raw keeps the bytes of the whole page alive: it goes as soon as it has been asked.
        self.touches_data, self.data = self.touches_data or bool(bytes(self.data)), EMPTY
        self.touches_status, self.status = self.touches_status or bool(bytes(self.status)), EMPTY


class Written(Shape):
    """One of `managedFields`: who wrote, when, and whether the data were touched."""

    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: str | None = None
    fields: Fields = msgspec.field(name="fieldsV1", default_factory=Fields)


class FullMeta(Meta):
    """`metadata` with who last wrote what: for all kinds but pods, which are too many and need it not."""

    managed_fields: list[Written] = []

    def data_written(self) -> datetime | None:
        """The last time at which somebody wrote the data of the object, or None when nothing says it."""
        return _latest([each.time for each in self.managed_fields if each.fields.touches_data])

    def status_written(self) -> datetime | None:
        """The last time at which somebody wrote the status of the object, or None when nothing says it."""
        return _latest([each.time for each in self.managed_fields if each.fields.touches_status])


class Condition(Shape):
    """One of `status.conditions`."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None
    observed_generation: int = 0

    def __post_init__(self) -> None:
        self.message = kept_message(self.message)


class LocalName(Shape):
    """A reference to something in the same namespace."""

    name: str = ""


class Reference(Shape):
    """A reference to any object, as events and endpoints have it."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""


class Requirement(Shape):
    """One of `matchExpressions`."""

    key: str = ""
    operator: str = ""
    values: list[str] = []


class Selector(Shape):
    """A label selector; an empty one matches everything."""

    match_labels: dict[str, str] = {}
    match_expressions: list[Requirement] = []

    def matches(self, labels: dict[str, str]) -> bool:
        """Say whether an object with these labels is selected."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            _holds(each, labels) for each in self.match_expressions
        )


def moment(text: str | None) -> datetime | None:
    """Return the time that RFC 3339 text says (seconds or microseconds), in UTC; None for no or odd text."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _latest(texts: list[str | None]) -> datetime | None:
    return max(filter(None, map(moment, texts)), default=None)


def _holds(each: Requirement, labels: dict[str, str]) -> bool:
    if each.operator == "In":
        return labels.get(each.key) in each.values
    if each.operator == "NotIn":
        return labels.get(each.key) not in each.values
    if each.operator == "Exists":
        return each.key in labels
    return each.operator == "DoesNotExist" and each.key not in labels
