"""Objects on their way into a bucket and out of it: passed on piece by piece, never kept, checked by their checksum."""

import base64
import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

PIECE: Final = 256 * 1024
WHOLE: Final = 1024 * 1024
"""Up to so many bytes an upload is one request of Google's library, which tries again where it may."""
_SECONDS: Final = 300
"""How long either side may stand still."""
_ATTEMPTS: Final = 4
"""How often a download that broke off is gone on with."""


class Refused(Exception):
    """Cloud Storage did not take or give an object; *status* is its HTTP status, 0 where there was no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class _Once:
    """Pieces that can be read once: whoever begins a second time would send the rest for the whole."""

    def __init__(self, first: bytes, pieces: Iterator[bytes]) -> None:
        self._first = first
        self._pieces = pieces
        self._begun = False
        self.crc = _checksum()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        if self._begun:
            raise Refused("an upload was to be sent a second time", 503)
        self._begun = True
        yield self._counted(self._first)
        self._first = b""
        for piece in self._pieces:
            yield self._counted(piece)

    def _counted(self, piece: bytes) -> bytes:
        self.crc.update(piece)
        self.size += len(piece)
        return piece


def upload(blob: Any, pieces: Iterator[bytes], content_type: str) -> None:
    """Make *blob* of *pieces*, none of them empty. Raises Refused; what the pieces raise goes through.

    One request with a body of unknown length ("Streaming transfers" in Google's documentation): the object comes into
    being with the body's proper end, so what breaks off leaves nothing behind.
    """
    first = bytearray()
    for piece in pieces:
        first += piece
        if len(first) > WHOLE:
            break
    else:
        _upload_whole(blob, bytes(first), content_type)
        return
    body = _Once(bytes(first), pieces)
    first.clear()
    client = blob.client
    address = f"{client.api_endpoint}/upload/storage/v1{blob.bucket.path}/o"
    try:
        answer = client._http.post(
            address,
            params={"uploadType": "media", "name": blob.name},
            data=body,
            headers={"Content-Type": content_type},
            timeout=_SECONDS,
        )
    except _network_errors() as error:
        raise Refused(f"the connection to Cloud Storage broke off: {type(error).__name__}", 503) from error
    if not answer.ok:
        raise Refused(_words(answer), answer.status_code)
    _check_made(blob, body, answer.json())


def _upload_whole(blob: Any, content: bytes, content_type: str) -> None:
    try:
        blob.upload_from_string(content, content_type=content_type, timeout=_SECONDS)
    except _api_error() as error:
        raise Refused(str(error.message), int(error.code or 0)) from error


def _check_made(blob: Any, sent: _Once, made: Any) -> None:
    """What lies in the bucket is what was sent; otherwise it goes again."""
    if int(made["size"]) == sent.size and made["crc32c"] == _encoded(sent.crc):
        return
    blob.bucket.blob(blob.name, generation=int(made["generation"])).delete(timeout=_SECONDS)
    raise Refused("what arrived in Cloud Storage is not what was sent", 503)


@dataclass(frozen=True)
class Opened:
    """An object that is being read: its *pieces*, and its *size* in bytes where it is known."""

    pieces: Iterator[bytes]
    size: int | None


def download(blob: Any) -> Opened:
    """Begin to read *blob*; the rest comes with the pieces, which raise Refused where that fails. Raises Refused."""
    answer = _ask(blob, 0, "")
    stored = answer.headers.get("X-Goog-Stored-Content-Encoding", "identity")
    length = answer.headers.get("Content-Length")
    if stored != "identity" or "Content-Encoding" in answer.headers or length is None:
        return Opened(_decoded(answer), None)
    return Opened(_checked(blob, answer, int(length)), int(length))


def _ask(blob: Any, start: int, generation: str) -> Any:
    client = blob.client
    address = f"{client.api_endpoint}/download/storage/v1{blob.path}"
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
    params = {"alt": "media", **({"generation": generation} if generation else {})}
    try:
        answer = client._http.get(address, params=params, headers=headers, stream=True, timeout=_SECONDS)
    except _network_errors() as error:
        raise Refused(f"Cloud Storage does not answer: {type(error).__name__}", 503) from error
    if not answer.ok:
        with answer:
            raise Refused(_words(answer), answer.status_code)
    return answer


def _decoded(answer: Any) -> Iterator[bytes]:
    """An object that lies compressed: Cloud Storage sends it as it was before."""
    with answer:
        yield from answer.iter_content(PIECE)


def _checked(blob: Any, answer: Any, size: int) -> Iterator[bytes]:
    generation = answer.headers.get("X-Goog-Generation", "")
    hashes = answer.headers.get("X-Goog-Hash", "")
    crc, done = _checksum(), 0
    for _ in range(_ATTEMPTS):
        try:
            with answer:
                for piece in answer.raw.stream(PIECE, decode_content=False):
                    crc.update(piece)
                    done += len(piece)
                    yield piece
        except _network_errors():
            pass  # gone on with below, from where it broke off
        if done >= size:
            break
        answer = _ask(blob, done, generation)
    # Raised before the end of the body, so that the client gets no proper end either.
    if done != size:
        raise Refused(f"the download broke off at {done} of {size} bytes", 503)
    if "crc32c=" in hashes and f"crc32c={_encoded(crc)}" not in hashes:
        raise Refused("what came from Cloud Storage is not what it keeps", 503)


def _words(answer: Any) -> str:
    """What Cloud Storage says of a refusal: its own sentence, or the status."""
    try:
        return str(json.loads(answer.content)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"Cloud Storage answers {answer.status_code}: {answer.text[:200]}"


def _checksum() -> Any:
    return importlib.import_module("google_crc32c").Checksum()


def _encoded(crc: Any) -> str:
    return base64.b64encode(crc.digest()).decode()


def _network_errors() -> tuple[type[Exception], ...]:
    requests = importlib.import_module("requests")
    urllib3 = importlib.import_module("urllib3.exceptions")
    return (requests.RequestException, urllib3.HTTPError, OSError)


def _api_error() -> Any:
    return importlib.import_module("google.api_core.exceptions").GoogleAPICallError
