"""Several API calls in one request: `POST /batch/compute/v1`, parts of `application/http` in `multipart/mixed`.

As Google's pages on batching have it: each part is carried out by itself, in order, and answered under its Content-ID
with "response-" before it; a part without credentials of its own is sent with those of the whole.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from email.message import Message
from email.parser import BytesParser
from http import HTTPStatus
from typing import Final

from reconciler.sandbox.world import Content, Headers, Visit

PREFIX: Final = "/batch"
MOST: Final = 1000
"""Calls in one batch, as Compute Engine takes them."""
MOST_OF_STORAGE: Final = 100
MAX_BODY: Final = 32 << 20


@dataclass
class _Heard:
    """What a part was answered."""

    status: int = 0
    headers: Headers = ()
    content: bytes = b""

    def respond(self, status: int, headers: Headers, content: Content, /) -> None:
        """Take the answer down."""
        whole = content if isinstance(content, bytes) else b"".join(content)
        self.status, self.headers, self.content = status, headers, whole


def serves(visit: Visit) -> bool:
    """Whether a request is a batch."""
    path = visit.target.partition("?")[0]
    return visit.method == "POST" and (path == PREFIX or path.startswith(f"{PREFIX}/"))


def answer(visit: Visit, accept: Callable[[Visit], None]) -> None:
    """Carry out the calls of a batch, each through *accept*, and answer them together."""
    parts = list(_parts(visit))
    most = MOST_OF_STORAGE if visit.target.startswith(f"{PREFIX}/storage/") else MOST
    if not parts or len(parts) > most:
        text = f"The batch must be multipart/mixed, with 1 to {most} parts of application/http."
        visit.respond(400, [("Content-Type", "text/plain; charset=UTF-8")], text.encode())
        return
    boundary = f"batch_{secrets.token_urlsafe(24)}"
    lines: list[bytes] = []
    for name, inner in parts:
        heard = _Heard()
        accept(replace(inner, respond=heard.respond))
        lines += [
            f"--{boundary}".encode(),
            b"Content-Type: application/http",
            *_id(name),
            b"",
            *_lines(heard),
        ]
    lines += [f"--{boundary}--".encode(), b""]
    visit.respond(200, [("Content-Type", f"multipart/mixed; boundary={boundary}")], b"\r\n".join(lines))


def _parts(visit: Visit) -> Iterator[tuple[str, Visit]]:
    """(Content-ID, call) of each part that can be understood."""
    head = f"Content-Type: {visit.header('content-type')}\r\n\r\n".encode()
    whole = BytesParser().parsebytes(head + visit.body.read(MAX_BODY))
    for part in whole.walk():
        if part.get_content_type() == "application/http":
            call = _call(visit, part)
            if call is not None:
                yield str(part.get("Content-ID", "")), call


def _call(visit: Visit, part: Message) -> Visit | None:
    payload = part.get_payload(decode=True)
    raw = payload if isinstance(payload, bytes) else b""
    line, _, rest = raw.lstrip().partition(b"\n")
    words = line.decode("latin-1").split()
    if len(words) < 2 or words[1].startswith(PREFIX):
        return None
    message = BytesParser().parsebytes(rest)
    body = message.get_payload(decode=True)
    headers = [(name, str(value)) for name, value in message.items()]
    if not any(name.lower() == "authorization" for name, _ in headers):
        headers += [("Authorization", one) for one in [visit.header("authorization")] if one]
    content = body if isinstance(body, bytes) else b""
    # A call's own Host, or a full URL, leads nowhere else than the batch itself went.
    target = "/" + words[1].partition("://")[2].partition("/")[2] if "://" in words[1] else words[1]
    return replace(visit, method=words[0], target=target, headers=headers, body=io.BytesIO(content))


def _id(name: str) -> list[bytes]:
    return [f"Content-ID: <response-{name.strip('<>')}>".encode()] if name else []


def _lines(heard: _Heard) -> list[bytes]:
    phrase = HTTPStatus(heard.status).phrase
    headers = [f"{name}: {value}".encode() for name, value in heard.headers]
    size = f"Content-Length: {len(heard.content)}".encode()
    return [f"HTTP/1.1 {heard.status} {phrase}".encode(), *headers, size, b"", heard.content]
