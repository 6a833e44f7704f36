"""IAM: keys of service accounts. The private half is answered once and never kept.

Every account has a key of Google's own besides, with which signBlob and signJwt sign; it is listed, never handed out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import identities
from reconciler.sandbox.iam.accounts import account_of, forbidden, full_name
from reconciler.sandbox.iam.oauth import KEY
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Method, Request, World

API: Final = "iam"
VERSIONS: Final = ("v1",)
MOST_KEYS: Final = 10
USER: Final = "USER_MANAGED"
SYSTEM: Final = "SYSTEM_MANAGED"
FOREVER: Final = "9999-12-31T23:59:59Z"
_ALGORITHMS: Final = {1024: "KEY_ALG_RSA_1024", 2048: "KEY_ALG_RSA_2048"}
_OFF: Final = "SERVICE_ACCOUNT_KEY_DISABLE_REASON_USER_INITIATED"


def methods(world: World) -> dict[str, Method]:
    """What of keys is emulated."""
    found: dict[str, Callable[[World, Request], Mapping[str, Any]]] = {
        "create": _create,
        "upload": _upload,
        "get": _get,
        "list": _list,
        "delete": _delete,
        "disable": lambda world, request: _switch(world, request, disabled=True),
        "enable": lambda world, request: _switch(world, request, disabled=False),
    }

    def bound(function: Callable[[World, Request], Mapping[str, Any]]) -> Method:
        return lambda request: function(world, request)

    return {f"projects.serviceAccounts.keys.{verb}": bound(function) for verb, function in found.items()}


def _create(world: World, request: Request) -> Mapping[str, Any]:
    account = account_of(world, request)
    if world.conditions.forbids("iam.disableServiceAccountKeyCreation"):
        raise forbidden("iam.disableServiceAccountKeyCreation", "Key creation", full_name(account))
    kind = request.body.get("privateKeyType", "TYPE_GOOGLE_CREDENTIALS_FILE")
    algorithm = request.body.get("keyAlgorithm", "KEY_ALG_RSA_2048")
    bits = next((bits for bits, name in _ALGORITHMS.items() if name == algorithm), 2048)
    key = identities.new_key(bits)
    certificate = identities.certificate(key)
    stored = _keep(
        world,
        account,
        key.public_key(),
        {"certificatePem": certificate, "keyOrigin": "GOOGLE_PROVIDED"},
        after=world.clock(),
        before=FOREVER,
    )
    private = _credentials(account, stored, key) if kind == "TYPE_GOOGLE_CREDENTIALS_FILE" else _pkcs12(key)
    data = base64.b64encode(private).decode()
    return {**_shown(stored), "privateKeyType": kind, "privateKeyData": data}


def _upload(world: World, request: Request) -> Mapping[str, Any]:
    from cryptography import x509

    account = account_of(world, request)
    if world.conditions.forbids("iam.disableServiceAccountKeyUpload"):
        raise forbidden("iam.disableServiceAccountKeyUpload", "Key upload", full_name(account))
    pem = base64.b64decode(request.body.get("publicKeyData", ""))
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise ApiError(400, "The public key is not an X.509 certificate in PEM.") from error
    return _shown(
        _keep(
            world,
            account,
            certificate.public_key(),
            {"certificatePem": pem.decode(), "keyOrigin": "USER_PROVIDED"},
            after=certificate.not_valid_before_utc,
            before=_second(certificate.not_valid_after_utc),
        )
    )


def _keep(
    world: World, account: Body, key: Any, fields: Mapping[str, str], *, after: datetime, before: str
) -> Body:
    with world.store.transaction():
        if sum(1 for _ in world.store.list(KEY, f"{account['email']}/")) >= MOST_KEYS:
            raise ApiError(
                400, "Maximum number of keys on account reached.", rpc_status="FAILED_PRECONDITION"
            )
        public = identities.public_pem(key)
        key_id = identities.fingerprint(public)
        body: Body = {
            "name": f"{full_name(account)}/keys/{key_id}",
            "publicKeyPem": public.decode(),
            "validAfterTime": _second(after),
            "validBeforeTime": before,
            "keyAlgorithm": _ALGORITHMS.get(key.key_size, "KEY_ALG_RSA_2048"),
            "keyType": USER,
            **fields,
        }
        world.store.put(KEY, f"{account['email']}/{key_id}", body)
    return body


def _credentials(account: Body, stored: Body, key: Any) -> bytes:
    """The JSON file that Google's libraries log in with."""
    email = account["email"]
    fields = {
        "type": "service_account",
        "project_id": account["projectId"],
        "private_key_id": stored["name"].rpartition("/")[2],
        "private_key": identities.private_pem(key).decode(),
        "client_email": email,
        "client_id": account["uniqueId"],
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_x509_cert_url": (
            f"https://www.googleapis.com/robot/v1/metadata/x509/{email.replace('@', '%40')}"
        ),
        "universe_domain": "googleapis.com",
    }
    return json.dumps(fields, indent=2).encode() + b"\n"


def _pkcs12(key: Any) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.serialization import pkcs12

    certificate = x509.load_pem_x509_certificate(identities.certificate(key).encode())
    # Google's own documentation gives this password for every such file.
    return pkcs12.serialize_key_and_certificates(
        b"privatekey", key, certificate, None, s.BestAvailableEncryption(b"notasecret")
    )


def _get(world: World, request: Request) -> Mapping[str, Any]:
    key = _key(world, request)
    kind = request.params.get("publicKeyType", "TYPE_NONE")
    if kind == "TYPE_NONE":
        return _shown(key)
    pem: str = key["publicKeyPem" if kind == "TYPE_RAW_PUBLIC_KEY" else "certificatePem"]
    return {**_shown(key), "publicKeyData": base64.b64encode(pem.encode()).decode()}


def _key(world: World, request: Request) -> Body:
    account = account_of(world, request)
    key_id = request.params["name"].rpartition("/")[2]
    key = world.store.get(KEY, f"{account['email']}/{key_id}")
    if key is None:
        raise ApiError(404, f"Service account key {key_id} does not exist.")
    return key


def _shown(key: Body) -> dict[str, Any]:
    return {name: value for name, value in key.items() if not name.endswith("Pem")}


def _list(world: World, request: Request) -> Mapping[str, Any]:
    account = account_of(world, request)
    keys = [_shown(body) for _, body in world.store.list(KEY, f"{account['email']}/")]
    own = {
        "name": f"{full_name(account)}/keys/{world.identities.key_id(account['email'])}",
        "validAfterTime": _second(datetime.fromisoformat(account.get("created") or world.now())),
        "validBeforeTime": FOREVER,
        "keyAlgorithm": "KEY_ALG_RSA_2048",
        "keyOrigin": "GOOGLE_PROVIDED",
        "keyType": SYSTEM,
    }
    wanted = set(request.params.get("keyTypes", ())) - {"KEY_TYPE_UNSPECIFIED"}
    shown = [key for key in (*keys, own) if not wanted or key["keyType"] in wanted]
    return {"keys": shown} if shown else {}


def _delete(world: World, request: Request) -> Mapping[str, Any]:
    world.store.delete(KEY, _stored(_key(world, request)))
    return {}


def _switch(world: World, request: Request, *, disabled: bool) -> Mapping[str, Any]:
    off = {"disabled": True, "disableReason": _OFF} if disabled else {}

    def change(old: Body) -> Body:
        return {**{key: value for key, value in old.items() if not key.startswith("disable")}, **off}

    world.store.update(KEY, _stored(_key(world, request)), change)
    return {}


def _stored(key: Body) -> str:
    parts = key["name"].split("/")
    return f"{parts[3]}/{parts[5]}"


def _second(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
