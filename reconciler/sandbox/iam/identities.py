"""Who calls: access tokens and ID tokens, minted and verified here.

Access tokens are opaque and live in the store (hashed), so they outlive a restart. ID tokens are RS256 JWTs signed
with the sandbox's own key, whose certificate is served as Google serves its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from reconciler.sandbox.json_text import parsed
from reconciler.sandbox.store import Store

OPERATOR: Final = "user:operator@sandbox.example"
"""Whoever calls without a token from this machine: the owner of every project."""
ANONYMOUS: Final = "anonymous"
ISSUER: Final = "https://accounts.google.com"
LIFETIME: Final = 3600
TOKEN: Final = "token"  # noqa: S105 -- the store's word for the kind


class Identities:
    """Mints and verifies tokens. *folder* (private) holds the signing keys."""

    def __init__(self, store: Store, folder: Path, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, Any] = {}

    def mint_access_token(self, member: str, seconds: int = LIFETIME) -> str:
        """An opaque token that makes its bearer *member* ("serviceAccount:…") for *seconds*."""
        token = "ya29.sandbox-" + secrets.token_urlsafe(32)
        expiry = (self._clock() + timedelta(seconds=seconds)).timestamp()
        self._store.put(TOKEN, _digest(token), {"member": member, "expires": expiry})
        return token

    def verify_access_token(self, token: str) -> str | None:
        """The member behind *token*, or None where it is unknown or over.

        The token of a service account that was deleted since is of a member "deleted:serviceAccount:…?uid=…".
        """
        body = self._store.get(TOKEN, _digest(token))
        if body is None or body["expires"] < self._clock().timestamp():
            return None
        return body["member"]

    def rename_member(self, old: str, new: str) -> None:
        """Make the access tokens of *old* those of *new*: what a service account's deletion and return do to them."""
        with self._store.transaction():
            for name, body in self._store.list(TOKEN):
                if body["member"] == old:
                    self._store.put(TOKEN, name, {**body, "member": new})

    def mint_id_token(self, email: str, audience: str, *, subject: str = "", seconds: int = LIFETIME) -> str:
        """A JWT that says that its bearer is *email*, for *audience*; valid for *seconds*."""
        now = int(self._clock().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "azp": email,
            "sub": subject or subject_of(email),
            "email": email,
            "email_verified": True,
            "iat": now,
            "exp": now + seconds,
        }
        return self.sign_jwt("google", claims)

    def verify_id_token(self, token: str, audiences: tuple[str, ...] = ()) -> dict[str, Any] | None:
        """The claims of an ID token of this sandbox; None where signature, time or audience do not hold.

        No *audiences* means any.
        """
        claims = self.verify_jwt("google", token)
        if claims is None or claims.get("iss") != ISSUER:
            return None
        now = self._clock().timestamp()
        fresh = claims["iat"] - 300 <= now < claims["exp"]
        return claims if fresh and (not audiences or claims.get("aud") in audiences) else None

    def member_of_email(self, email: str) -> str:
        """The IAM member for an e-mail address."""
        return f"serviceAccount:{email}" if email.endswith(".gserviceaccount.com") else f"user:{email}"

    def sign(self, owner: str, payload: bytes) -> tuple[str, bytes]:
        """(key id, RSA-SHA256 signature) of *payload* with the key of *owner* (a service account's e-mail)."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        key = self._key(owner)
        return self.key_id(owner), key.sign(payload, padding.PKCS1v15(), hashes.SHA256())

    def sign_jwt(self, owner: str, claims: Mapping[str, Any]) -> str:
        """*claims* as a signed JWT."""
        header = {"alg": "RS256", "kid": self.key_id(owner), "typ": "JWT"}
        signed = f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(dict(claims)).encode())}"
        return f"{signed}.{_b64(self.sign(owner, signed.encode())[1])}"

    def verify_jwt(self, owner: str, token: str) -> dict[str, Any] | None:
        """The claims where the signature is *owner*'s, else None. Times are the caller's to check."""
        return verify_jwt(self._key(owner).public_key(), token)

    def key_id(self, owner: str) -> str:
        """The id of *owner*'s key, as it stands in a JWT's header."""
        return fingerprint(self.public_pem(owner))

    def public_pem(self, owner: str) -> bytes:
        """*owner*'s public key."""
        return public_pem(self._key(owner).public_key())

    def certificates(self) -> dict[str, str]:
        """What Google publishes at /oauth2/v1/certs: key id -> PEM certificate."""
        return {self.key_id("google"): certificate(self._key("google"))}

    def web_keys(self) -> dict[str, Any]:
        """What Google publishes at /oauth2/v3/certs: a JSON Web Key Set."""
        numbers = self._key("google").public_key().public_numbers()
        key = {
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "kid": self.key_id("google"),
            "n": _b64(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")),
            "e": _b64(numbers.e.to_bytes(3, "big")),
        }
        return {"keys": [key]}

    def _key(self, owner: str) -> Any:
        with self._lock:
            if owner not in self._keys:
                self._keys[owner] = _load_or_make(self._folder / f"{owner}.pem")
            return self._keys[owner]


def fingerprint(public: bytes) -> str:
    """The key id of a public key: 40 hexadecimal digits."""
    return hashlib.sha256(public).hexdigest()[:40]


def subject_of(email: str) -> str:
    """The numeric id of an account: 21 digits, derived from the address."""
    return str(10**20 + int.from_bytes(hashlib.sha256(email.encode()).digest()[:8], "big") % 10**19)


def verify_jwt(public_key: Any, token: str) -> dict[str, Any] | None:
    """The claims of an RS256 JWT where its signature holds, else None."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    try:
        signed, _, signature = token.rpartition(".")
        public_key.verify(_unb64(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        claims = json.loads(_unb64(signed.split(".")[1]))
    except (ValueError, IndexError, InvalidSignature):
        return None
    return claims if isinstance(claims, dict) else None  # pyright: ignore[reportUnknownVariableType] -- JSON is checked by use


def verifies(public: bytes, payload: bytes, signature: bytes) -> bool:
    """Whether *signature* is RSA-SHA256 of *payload* by the key whose public half (PEM) is *public*."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding

    key: Any = serialization.load_pem_public_key(public)
    try:
        key.verify(signature, payload, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def public_key_of(web_key: Mapping[str, Any]) -> Any:
    """The RSA key that a JSON Web Key describes."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    modulus, exponent = (int.from_bytes(_unb64(str(web_key[part])), "big") for part in ("n", "e"))
    return RSAPublicNumbers(exponent, modulus).public_key()


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified: only to find whose key to verify with. {} where it is none."""
    try:
        claims = parsed(_unb64(token.split(".")[1]))
    except (ValueError, IndexError):
        return {}
    return claims if isinstance(claims, dict) else {}  # pyright: ignore[reportUnknownVariableType] -- JSON is checked by use


def new_key(bits: int = 2048) -> Any:
    """A new RSA key; one of 2048 bits takes about 0.1 s."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def public_pem(public_key: Any) -> bytes:
    """A public key as PEM."""
    from cryptography.hazmat.primitives import serialization as s

    return public_key.public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: Any) -> bytes:
    """The key as PKCS#8 PEM, unencrypted."""
    from cryptography.hazmat.primitives import serialization as s

    return key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())


def certificate(key: Any) -> str:
    """A self-signed certificate for *key*, ten years long: google-auth wants certificates, not keys."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox")])
    start = datetime(2020, 1, 1)  # noqa: DTZ001 -- X.509 wants UTC without a zone
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), start, start + timedelta(days=3650 * 3)
    )
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _load_or_make(path: Path) -> Any:
    from cryptography.hazmat.primitives import serialization

    if path.exists():
        return serialization.load_pem_private_key(path.read_bytes(), None)
    key = new_key()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(private_pem(key))
    fresh.rename(path)
    return key


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
