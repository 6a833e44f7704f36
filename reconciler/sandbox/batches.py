"""Batches: several JSON requests in one multipart/mixed body, as the Python client and gcloud send them to /batch/….

Each part is carried out as a request of its own, in order; the answers come back in one body.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from email.message import Message
from email.parser import BytesParser
from http import HTTPStatus
from io import BytesIO
from typing import Final, cast
from urllib.parse import urlsplit

from reconciler.sandbox import errors
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.world import Content, Headers, Visit

MOST_BYTES: Final = 10 << 20
"""What Cloud Storage takes in one batch."""
MOST_CALLS: Final = 100
_PATH: Final = re.compile(r"/batch(/[a-z]+/v\w+)?")
_BARE: Final = {"content-length", "content-type", "mime-version", "transfer-encoding"}
"""Headers of the batch that are not its parts' own."""


def serves(visit: Visit) -> bool:
    """Whether a request is a batch."""
    return visit.method == "POST" and _PATH.fullmatch(visit.target.partition("?")[0]) is not None


def answer(visit: Visit, carry_out: Callable[[Visit], None]) -> None:
    """Carry out every part through *carry_out*, and answer with all that they answered."""
    raw = visit.body.read(MOST_BYTES + 1)
    content_type = visit.header("content-type") or ""
    parsed = BytesParser().parsebytes(b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + raw)
    if len(raw) > MOST_BYTES or not parsed.is_multipart():
        _refuse(visit, "Failed to parse batch request.")
        return
    if len(parsed.get_payload()) > MOST_CALLS and "/storage/" in visit.target:
        _refuse(visit, f"A batch of Cloud Storage holds at most {MOST_CALLS} calls.")
        return
    boundary = f"batch_{uuid.uuid4().hex}"
    lines: list[bytes] = []
    for part in cast("list[Message]", parsed.get_payload()):
        lines += [f"--{boundary}".encode(), *_answered(visit, part, carry_out)]
    content = b"\r\n".join([*lines, f"--{boundary}--".encode(), b""])
    visit.respond(200, [("Content-Type", f"multipart/mixed; boundary={boundary}")], content)


def _refuse(visit: Visit, text: str) -> None:
    content = json.dumps(errors.body("storage", ApiError(400, text, reason="badRequest"))).encode()
    visit.respond(400, [("Content-Type", "application/json; charset=UTF-8")], content)


def _answered(outer: Visit, part: Message, carry_out: Callable[[Visit], None]) -> list[bytes]:
    """One part's answer, as lines."""
    taken: list[tuple[int, Headers, bytes]] = []

    def respond(status: int, headers: Headers, content: Content, /) -> None:
        whole = content if isinstance(content, bytes) else b"".join(content)
        taken.append((status, headers, whole))

    identity = str(part.get("Content-ID", "")).strip("<>")
    head = [b"Content-Type: application/http", f"Content-ID: <response-{identity}>".encode(), b""]
    inner = _visit(outer, part, respond)
    if inner is None:
        return [*head, b"HTTP/1.1 400 Bad Request", b"Content-Length: 0", b"", b""]
    carry_out(inner)
    status, headers, content = taken[0]
    named = [*((name, value) for name, value in headers if name.lower() != "content-length")]
    named.append(("Content-Length", str(len(content))))
    lines = [f"{name}: {value}".encode("latin-1") for name, value in named]
    return [*head, f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(), *lines, b"", content]


def _visit(outer: Visit, part: Message, respond: Callable[[int, Headers, Content], None]) -> Visit | None:
    """The request in a part; None where it is none."""
    raw = cast("bytes", part.get_payload(decode=True)).lstrip()
    line, _, rest = raw.partition(b"\n")
    words = line.decode("latin-1").split()
    if len(words) < 2:
        return None
    parsed = BytesParser().parsebytes(rest)
    own = [(name, str(value)) for name, value in parsed.items()]
    named = {name.lower() for name, _ in own} | _BARE
    headers = [*own, *((name, value) for name, value in outer.headers if name.lower() not in named)]
    url = urlsplit(words[1])
    target = url.path + (f"?{url.query}" if url.query else "")
    body = cast("bytes", parsed.get_payload(decode=True) or b"")
    return replace(
        outer, method=words[0], target=target, headers=headers, body=BytesIO(body), respond=respond
    )
