"""Passkeys: what a verdict's assertion is over, what the browser is asked, and whether an answer is good (WebAuthn 2).

No Django and no clock: the web process verifies when a vote is given, the worker again before the first effect, by the
same function and by keys that the web process can't write.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast
from urllib.parse import urlsplit

from fido2 import cbor
from fido2.cose import CoseKey, UnsupportedKey
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

FORM = "keybook.verdict.2"
ALGORITHMS = frozenset({-7, -8, -35, -36, -37, -257})  # ES256, EdDSA, ES384, ES512, PS256, RS256: none with SHA-1
LONGEST_CREDENTIAL, MOST_COUNT = 1_023, 2**32  # bytes, and uses: WebAuthn's own limits
LONGEST_ANSWER = 20_000  # characters of any part of a browser's answer


class AssertionRefused(Exception):
    """This assertion proves nothing; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who asks for assertions, as browsers know it: the host of `KEYBOOK_URL`, and the origin of its pages."""

    id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Key:
    """A passkey: whose it is, its credential's id, its public key (COSE as CBOR), and its counter when last seen."""

    person: int
    credential: bytes
    public_key: bytes
    sign_count: int = 0


def party(url: str) -> Party:
    """Return the relying party of an address such as `https://keybook.example:8443`. Raises `AssertionRefused`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not host or parts.scheme not in {"https", "http"}:
        raise AssertionRefused("Passkeys need KEYBOOK_URL, the address at which people open Keybook. It is not set.")
    if host.replace(".", "").isdigit() or ":" in host or (parts.scheme == "http" and host != "localhost"):
        raise AssertionRefused(f"Browsers give no passkey to {url}. Use https and a name, or http://localhost.")
    return Party(host, f"{parts.scheme}://{parts.netloc}")


def challenge(change: str, plan_hash: str, verdict: str, facts_hash: str = "", ballot: str = "") -> bytes:
    """Return what an assertion must be over: the SHA-256 of a change (`C-215`), its plan and what is said of it.

    `facts_hash` is what the worker had found when it was decided: an assertion over other facts is another.
    `ballot` is `rotation.ballots.of`: one that was void once is good for none that comes later.
    """
    return sha256("\n".join((FORM, change, plan_hash, verdict, facts_hash, ballot)).encode()).digest()


def options(keys: Iterable[Key], asked: bytes, by: Party) -> dict[str, Any]:
    """Return what `navigator.credentials.get` is called with, as JSON with base64url. Raises `AssertionRefused`."""
    known = [PublicKeyCredentialDescriptor(type=_PUBLIC, id=key.credential) for key in keys]
    if not known:
        raise AssertionRefused("No passkey is pinned for you. Enrol one first; another administrator approves it.")
    found, _state = _server(by).authenticate_begin(known, _REQUIRED, challenge=asked)
    return _plain(found.public_key)


def verify(assertion: Mapping[str, Any], key: Key, asked: bytes, by: Party) -> int:
    """Return the key's new counter if this assertion is over `asked`, by this key, at this origin, by a present person.

    `assertion` is the browser's PublicKeyCredential as JSON. Raises `AssertionRefused`.
    """
    answer = _answer(assertion)
    if answer.raw_id != key.credential:
        raise AssertionRefused("The assertion was made by another passkey.")
    if answer.response.client_data.cross_origin:
        raise AssertionRefused("The assertion was made in a frame of another site.")
    if answer.response.user_handle not in (None, b"", handle(key.person)):
        raise AssertionRefused("The assertion was made for another person.")
    _signed(answer, key, asked, by)
    counter = answer.response.authenticator_data.counter
    if (counter or key.sign_count) and counter <= key.sign_count:
        raise AssertionRefused("The passkey's counter went back: there may be a copy of it. Enrol another one.")
    return int(counter)


def credential_of(assertion: Mapping[str, Any]) -> bytes:
    """Return the id of the passkey that an assertion says to be made by. Raises `AssertionRefused`."""
    return bytes(_answer(assertion).raw_id)


def handle(person: int) -> bytes:
    """Return the name under which authenticators keep a person: their number, nothing that tells who they are."""
    return f"keybook-{person}".encode()


def registration(person: int, name: str, known: Iterable[Key], by: Party) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what `navigator.credentials.create` is called with, as JSON, and the state that its answer is held to."""
    user = PublicKeyCredentialUserEntity(id=handle(person), name=name, display_name=name)
    found, state = _server(by).register_begin(
        user,
        [PublicKeyCredentialDescriptor(type=_PUBLIC, id=key.credential) for key in known],
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=_REQUIRED,
    )
    return _plain(found.public_key), _plain(state)


def registered(answer: Mapping[str, Any], state: Mapping[str, Any], person: int, by: Party) -> Key:
    """Return the key that a browser made for `person`, not pinned yet. Raises `AssertionRefused`."""
    try:
        _short(answer)
        found = _server(by).register_complete(dict(state), answer)
        data = found.credential_data
        assert data is not None  # noqa: S101 - register_complete saw to it
        made = Key(person, bytes(data.credential_id), cbor.encode(data.public_key), found.counter)
    except AssertionRefused:
        raise
    except Exception as error:  # whatever a hostile answer makes the decoder raise
        raise AssertionRefused(f"The browser's answer is no passkey of ours: {_reason(error)}.") from None
    _public_key(made)
    return made


def readable(key: Key) -> None:
    """See that a key can be kept and verify anything. Raises `AssertionRefused`."""
    _public_key(key)
    if not 1 <= len(key.credential) <= LONGEST_CREDENTIAL or not 0 <= key.sign_count < MOST_COUNT:
        raise AssertionRefused(f"A passkey's credential has 1 to {LONGEST_CREDENTIAL:,} bytes, its counter 32 bits.")


def fingerprint(key: Key) -> str:
    """Return the key in words that two people can compare: `SHA256:` and 43 characters, as ssh prints them."""
    return "SHA256:" + websafe_encode(sha256(key.public_key).digest())


def pack(data: bytes) -> str:
    """Return bytes as base64url without padding, as plans and browsers carry them."""
    return websafe_encode(data)


def unpack(text: str) -> bytes:
    """Return the bytes of base64url. Raises `AssertionRefused`."""
    try:
        return websafe_decode(text)
    except ValueError:
        raise AssertionRefused("This is no base64url.") from None


_REQUIRED = UserVerificationRequirement.REQUIRED
_PUBLIC = PublicKeyCredentialType.PUBLIC_KEY


def _server(by: Party) -> Fido2Server:
    entity = PublicKeyCredentialRpEntity(id=by.id, name="Keybook")
    made = Fido2Server(entity, verify_origin=lambda origin: origin == by.origin)
    made.allowed_algorithms = [one for one in made.allowed_algorithms if one.alg in ALGORITHMS]
    return made


def _plain(found: Any) -> dict[str, Any]:
    """Return what the library made as JSON knows it."""
    return dict(json.loads(json.dumps(dict(found))))


def _answer(assertion: Mapping[str, Any]) -> AuthenticationResponse:
    try:
        _short(assertion)
        return AuthenticationResponse.from_dict(assertion)
    except AssertionRefused:
        raise
    except Exception as error:  # whatever a hostile answer makes the decoder raise
        raise AssertionRefused(f"The assertion can't be read: {_reason(error)}.") from None


def _signed(answer: AuthenticationResponse, key: Key, asked: bytes, by: Party) -> None:
    data = AttestedCredentialData.create(Aaguid.NONE, key.credential, _public_key(key))
    state = {"challenge": websafe_encode(asked), "user_verification": _REQUIRED}
    try:
        _server(by).authenticate_complete(state, [data], answer)
    except ValueError as error:
        raise AssertionRefused(_SENTENCES.get(str(error), f"The assertion is not good: {_reason(error)}.")) from None


_SENTENCES = {
    "Wrong challenge in response.": "The assertion was made for another change, another plan, other facts or another "
    "verdict, or before an approval of it became void.",
    "Invalid origin in CollectedClientData.": "The assertion was made at another address than KEYBOOK_URL.",
    "Wrong RP ID hash in response.": "The assertion was made for another site.",
    "User Present flag not set.": "Nobody touched the passkey.",
    "User verification required, but user verified flag not set.": "The passkey did not check who used it: it needs "
    "its PIN, finger or face.",
    "Invalid signature.": "The assertion's signature is not of the pinned key.",
}  # fmt: skip


def _public_key(key: Key) -> CoseKey:
    """Return the public key if its algorithm is one of ours. Raises `AssertionRefused`."""
    try:
        found = CoseKey.parse(cast(Mapping[int, Any], cbor.decode(key.public_key)))
    except Exception as error:  # a row that holds no key
        raise AssertionRefused(f"The public key can't be read: {_reason(error)}.") from None
    if isinstance(found, UnsupportedKey) or found.ALGORITHM not in ALGORITHMS:
        raise AssertionRefused("The passkey signs in a way that is not taken. Use one with ES256, EdDSA or RS256.")
    return found


def _short(answer: Mapping[str, Any]) -> None:
    parts = [answer, answer.get("response", {})] if isinstance(answer, Mapping) else []
    texts = [value for part in parts if isinstance(part, Mapping) for value in part.values() if isinstance(value, str)]
    if not parts or any(len(text) > LONGEST_ANSWER for text in texts):
        raise AssertionRefused("The browser's answer is no passkey of ours: it is no object, or too long.")


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).rstrip(".")[:100]
