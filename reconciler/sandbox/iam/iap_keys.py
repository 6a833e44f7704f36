"""The signed header of Identity-Aware Proxy ("Securing your app with signed headers"), and the key behind it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Final

from reconciler.sandbox.iam.identities import fingerprint, public_pem
from reconciler.sandbox.world import World

ISSUER: Final = "https://cloud.google.com/iap"
SECONDS: Final = 600
PUBLISHED: Final = ("/iap/verify/public_key", "/iap/verify/public_key-jwk")
"""The paths on www.gstatic.com, as PEM by key id, and as a JSON Web Key Set."""
_FILE: Final = "iap-assertion.pem"


def assertion(world: World, audience: str, subject: str, email: str) -> str:
    """The JWT (ES256) that says who passed, for one service, for ten minutes."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    now = int(world.clock().timestamp())
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": audience,
        "azp": audience,
        "sub": subject,
        "email": email,
        "identity_source": "GOOGLE",
        "iat": now,
        "exp": now + SECONDS,
    }
    if not email.endswith(".gserviceaccount.com"):
        claims["hd"] = email.rpartition("@")[2]
    key = _key(world)
    header = {"alg": "ES256", "typ": "JWT", "kid": _key_id(key)}
    signed = f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(claims).encode())}"
    numbers = utils.decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{_b64(b''.join(one.to_bytes(32, 'big') for one in numbers))}"


def published(world: World, path: str) -> dict[str, Any]:
    """What stands at one of the published paths."""
    key = _key(world)
    if path == PUBLISHED[0]:
        return {_key_id(key): public_pem(key.public_key()).decode()}
    numbers = key.public_key().public_numbers()
    point = {"x": _b64(numbers.x.to_bytes(32, "big")), "y": _b64(numbers.y.to_bytes(32, "big"))}
    return {
        "keys": [{"alg": "ES256", "crv": "P-256", "kid": _key_id(key), "kty": "EC", "use": "sig", **point}]
    }


def _key(world: World) -> Any:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    from reconciler.sandbox.iam.identities import private_pem

    path: Path = world.home / "keys" / _FILE
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_bytes(private_pem(ec.generate_private_key(ec.SECP256R1())))
        fresh.rename(path)
    return serialization.load_pem_private_key(path.read_bytes(), None)


def _key_id(key: Any) -> str:
    return fingerprint(public_pem(key.public_key()))[:6]


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
