"""An authenticator of our own, for tests: keys in memory, and each part of an answer can be made wrong."""

from __future__ import annotations

import json
from hashlib import sha256
from secrets import token_bytes
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor
from fido2.cose import ES256, CoseKey, EdDSA
from fido2.utils import websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData

from rotation.assertions import Key, Party, handle, party

URL = "https://keybook.example:8443"
PARTY: Party = party(URL)
TOUCHED, CHECKED = 0x01, 0x04


class Authenticator:
    """One passkey of one person."""

    def __init__(self, person: int, ed25519: bool = False) -> None:
        self.person = person
        self.credential = token_bytes(32)
        self.counter = 0
        self.private: Any = Ed25519PrivateKey.generate() if ed25519 else ec.generate_private_key(ec.SECP256R1())
        self.cose: CoseKey = (EdDSA if ed25519 else ES256).from_cryptography_key(self.private.public_key())

    def key(self, person: int | None = None, sign_count: int = 0) -> Key:
        """Return what is pinned of it."""
        return Key(person or self.person, self.credential, cbor.encode(self.cose), sign_count)

    def answer(
        self, challenge: bytes, *, origin: str = PARTY.origin, rp: str = PARTY.id, flags: int = TOUCHED | CHECKED,
        kind: str = "webauthn.get", counter: int | None = None, cross: bool = False, user: int | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Return an assertion over a challenge as a browser sends it."""
        client = self._client(kind, challenge, origin, cross)
        count = self.counter if counter is None else counter
        data = AuthenticatorData.create(sha256(rp.encode()).digest(), AuthenticatorData.FLAG(flags), count)
        signature = self._sign(data + sha256(client).digest())
        return {
            "id": websafe_encode(self.credential), "rawId": websafe_encode(self.credential), "type": "public-key",
            "clientExtensionResults": {}, "authenticatorAttachment": "platform",
            "response": {
                "clientDataJSON": websafe_encode(client), "authenticatorData": websafe_encode(data),
                "signature": websafe_encode(signature), "userHandle": websafe_encode(handle(user or self.person)),
            },
        }  # fmt: skip

    def register(
        self, challenge: bytes, *, origin: str = PARTY.origin, flags: int = TOUCHED | CHECKED
    ) -> dict[str, Any]:
        """Return a new credential as a browser sends it."""
        client = self._client("webauthn.create", challenge, origin, False)
        made = AttestedCredentialData.create(Aaguid.NONE, self.credential, self.cose)
        whole = AuthenticatorData.FLAG(flags | AuthenticatorData.FLAG.AT)
        data = AuthenticatorData.create(sha256(PARTY.id.encode()).digest(), whole, self.counter, made)
        attested = AttestationObject.create("none", data, {})
        return {
            "id": websafe_encode(self.credential), "rawId": websafe_encode(self.credential), "type": "public-key",
            "clientExtensionResults": {},
            "response": {"clientDataJSON": websafe_encode(client), "attestationObject": websafe_encode(attested)},
        }  # fmt: skip

    @staticmethod
    def _client(kind: str, challenge: bytes, origin: str, cross: bool) -> bytes:
        said = {"type": kind, "challenge": websafe_encode(challenge), "origin": origin, "crossOrigin": cross}
        return json.dumps(said).encode()

    def _sign(self, message: bytes) -> bytes:
        if isinstance(self.private, Ed25519PrivateKey):
            return self.private.sign(message)
        return self.private.sign(message, ec.ECDSA(SHA256()))
