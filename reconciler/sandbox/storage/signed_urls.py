"""Signed URLs of Cloud Storage, V4 and V2, by service accounts' keys: who signed, and whether the signature holds.

Written from "Signatures" and "Canonical requests" (V4) and from "V2 signing process" of its documentation. The keys are
those that the sandbox signs with for an account (signBlob), and those that were made or uploaded for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, quote

from reconciler.sandbox.iam import identities
from reconciler.sandbox.iam.accounts import find_account
from reconciler.sandbox.iam.oauth import KEY
from reconciler.sandbox.storage.xml_errors import INVALID, XmlError
from reconciler.sandbox.world import Visit, World

ALGORITHM: Final = "GOOG4-RSA-SHA256"
LONGEST: Final = 604800
"""Seconds that a V4 signature may hold."""
SKEW: Final = timedelta(minutes=15)
_MOMENT: Final = "%Y%m%dT%H%M%SZ"
_V2_OWN: Final = frozenset({"GoogleAccessId", "Expires", "Signature"})
_V2_UNSIGNED: Final = frozenset(
    {"response-content-type", "response-content-disposition", "generation", "userProject"}
)
_SCOPE: Final = re.compile(r"(?P<who>.+)/(?P<day>\d{8})/(?P<place>[^/]+)/storage/goog4_request")


def signed(visit: Visit) -> bool:
    """Whether a request comes by a signed URL."""
    names = {name.lower() for name, _ in _query(visit)}
    return "x-goog-signature" in names or {"googleaccessid", "signature"} <= names


def signer(world: World, visit: Visit, bucket: str) -> str:
    """The member that signed the URL of a request. Raises XmlError where the signature does not hold, or no more.

    *bucket* is the one that the host names, else "": V2 signs it with the path.
    """
    query = dict(_query(visit))
    return _v4(world, visit, query) if "X-Goog-Signature" in query else _v2(world, visit, query, bucket)


def _query(visit: Visit) -> list[tuple[str, str]]:
    return parse_qsl(visit.target.partition("?")[2], keep_blank_values=True)


def _v4(world: World, visit: Visit, query: Mapping[str, str]) -> str:
    if query.get("X-Goog-Algorithm") != ALGORITHM:
        raise _header("x-goog-algorithm", f"The sandbox verifies {ALGORITHM} only.")
    scope = _SCOPE.fullmatch(query.get("X-Goog-Credential", ""))
    moment = query.get("X-Goog-Date", "")
    if scope is None or not moment.startswith(scope["day"]):
        raise _header(
            "x-goog-credential", "The credential is not ACCOUNT/DATE/LOCATION/storage/goog4_request."
        )
    _check_time(world, moment, query.get("X-Goog-Expires", ""))
    names = query.get("X-Goog-SignedHeaders", "").split(";")
    canonical = "\n".join(_canonical(visit, names))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    place = f"{scope['day']}/{scope['place']}/storage/goog4_request"
    to_sign = "\n".join([ALGORITHM, moment, place, digest])
    try:
        signature = bytes.fromhex(query["X-Goog-Signature"])
    except ValueError as error:
        raise _mismatch(to_sign, canonical) from error
    if not _verified(world, scope["who"], to_sign.encode(), signature):
        raise _mismatch(to_sign, canonical)
    return f"serviceAccount:{scope['who']}"


def _check_time(world: World, moment: str, expires: str) -> None:
    try:
        start = datetime.strptime(moment, _MOMENT).replace(tzinfo=UTC)
    except ValueError as error:
        raise _header("x-goog-date", "The date is not YYYYMMDD'T'HHMMSS'Z'.") from error
    if not expires.isdigit() or not 1 <= int(expires) <= LONGEST:
        raise _header("x-goog-expires", f"X-Goog-Expires must be from 1 to {LONGEST} seconds.")
    now = world.clock()
    if start > now + SKEW:
        raise _header("x-goog-date", "Request is not yet valid.")
    _check_end(start + timedelta(seconds=int(expires)), now)


def _check_end(end: datetime, now: datetime) -> None:
    if end < now:
        text = f"The provided token has expired. Request signature expired at: {end.isoformat(timespec='seconds')}"
        raise XmlError(400, "ExpiredToken", INVALID, text)


def _canonical(visit: Visit, names: Sequence[str]) -> Iterator[str]:
    """The lines of the canonical request. Raises XmlError where a header was signed and not sent, or the reverse."""
    path = visit.target.partition("?")[0]
    yield visit.method
    yield path
    pairs = sorted(
        (_encoded(name), _encoded(value)) for name, value in _query(visit) if name != "X-Goog-Signature"
    )
    yield "&".join(f"{name}={value}" for name, value in pairs)
    sent: dict[str, list[str]] = {}
    for name, value in visit.headers:
        sent.setdefault(name.lower(), []).append(" ".join(value.split()))
    for name in names:
        if name not in sent:
            raise _header(name, "Header was included in signedheaders, but not in the request.")
        yield f"{name}:{','.join(sent[name])}"
    for name in sent:
        if (name == "host" or name.startswith("x-goog-")) and name not in names:
            raise _header(name, "Header was included in the request, but not in signedheaders.")
    yield ""
    yield ";".join(names)
    yield sent.get("x-goog-content-sha256", ["UNSIGNED-PAYLOAD"])[0]


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")


def _v2(world: World, visit: Visit, query: Mapping[str, str], bucket: str) -> str:
    who, expires = query.get("GoogleAccessId", ""), query.get("Expires", "")
    if not expires.isdigit():
        raise _header("expires", "Expires must be a number of seconds.")
    _check_end(datetime.fromtimestamp(int(expires), UTC), world.clock())
    extensions: dict[str, list[str]] = {}
    for name, value in visit.headers:
        if name.lower().startswith("x-goog-"):
            extensions.setdefault(name.lower(), []).append(" ".join(value.split()))
    lines = [f"{name}:{','.join(values)}" for name, values in sorted(extensions.items())]
    path = (f"/{bucket}" if bucket else "") + visit.target.partition("?")[0]
    subs = sorted((name, value) for name, value in _query(visit) if name not in _V2_OWN | _V2_UNSIGNED)
    resource = path + ("?" + "&".join(f"{_encoded(n)}={_encoded(v)}" for n, v in subs) if subs else "")
    md5, content_type = visit.header("content-md5") or "", visit.header("content-type") or ""
    to_sign = "\n".join([visit.method, md5, content_type, expires, *lines, resource])
    try:
        signature = base64.b64decode(query.get("Signature", ""), validate=True)
    except binascii.Error as error:
        raise _mismatch(to_sign, "") from error
    if not _verified(world, who, to_sign.encode(), signature):
        raise _mismatch(to_sign, "")
    return f"serviceAccount:{who}"


def _verified(world: World, email: str, payload: bytes, signature: bytes) -> bool:
    """Whether one of the account's keys made the signature; an account that is disabled or gone has none."""
    account = find_account(world, f"projects/-/serviceAccounts/{email}")
    if account is None or account.get("disabled"):
        return False
    keys = [world.identities.public_pem(email)]
    keys += [
        body["publicKeyPem"].encode()
        for _, body in world.store.list(KEY, f"{email}/")
        if not body.get("disabled")
    ]
    return any(identities.verifies(key, payload, signature) for key in keys)


def _mismatch(to_sign: str, canonical: str) -> XmlError:
    details = (
        "The request signature we calculated does not match the signature you provided. Check your Google secret key "
        "and signing method."
    )
    more = [("StringToSign", to_sign), *([("CanonicalRequest", canonical)] if canonical else [])]
    return XmlError(403, "SignatureDoesNotMatch", "Access denied.", details, more)


def _header(name: str, details: str) -> XmlError:
    text = f"Your request has a malformed header. {details}"
    return XmlError(400, "MalformedSecurityHeader", INVALID, text, [("ParameterName", name)])
