"""Object contents: files below objects/, written and read in pieces, never whole in memory."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from reconciler.sandbox.errors import ApiError

PIECE: Final = 1 << 20
UPLOADS: Final = ".uploads"


@dataclass(frozen=True)
class Written:
    """A finished content: where it lies, how long it is, and its checksums as Cloud Storage writes them."""

    path: Path
    size: int
    md5: str
    crc32c: str


class Hashes:
    """MD5 and CRC32C of what passes by."""

    def __init__(self) -> None:
        from google_crc32c import Checksum

        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc: Any = Checksum()

    def update(self, piece: bytes) -> None:
        """Take *piece* in."""
        self._md5.update(piece)
        self._crc.update(piece)

    @property
    def md5(self) -> str:
        """Base64 of the MD5."""
        return base64.b64encode(self._md5.digest()).decode()

    @property
    def crc32c(self) -> str:
        """Base64 of the CRC32C, big-endian."""
        return base64.b64encode(self._crc.digest()).decode()


def uploads_folder(home: Path) -> Path:
    """Where contents lie while they come in."""
    folder = home / "objects" / UPLOADS
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def sweep(home: Path, keep: Iterable[str]) -> None:
    """Remove what a crash left of uploads that nobody can finish; *keep* names the files of open sessions."""
    kept = set(keep)
    for file in uploads_folder(home).iterdir():
        if file.name not in kept:
            file.unlink(missing_ok=True)


def sweep_contents(home: Path, known: set[str]) -> None:
    """Remove every content below objects/ that is none of *known*: a kill between a file and its record left it."""
    for folder in (home / "objects").iterdir():
        if folder.name == UPLOADS:
            continue
        for file in folder.iterdir():
            if f"{folder.name}/{file.name}" not in known:
                file.unlink(missing_ok=True)


def write(home: Path, pieces: Iterable[bytes]) -> Written:
    """Keep *pieces* as a new content. On any failure nothing is left behind."""
    path = uploads_folder(home) / uuid.uuid4().hex
    hashes, size = Hashes(), 0
    try:
        with path.open("xb") as file:
            for piece in pieces:
                file.write(piece)
                hashes.update(piece)
                size += len(piece)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Written(path, size, hashes.md5, hashes.crc32c)


def measure(path: Path) -> Written:
    """The size and checksums of a file that is there."""
    hashes = Hashes()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            hashes.update(piece)
    return Written(path, path.stat().st_size, hashes.md5, hashes.crc32c)


def settle(home: Path, bucket: str, path: Path) -> str:
    """Move a finished content to its place; the answer is the file's name below objects/."""
    folder = home / "objects" / bucket
    folder.mkdir(mode=0o700, exist_ok=True)
    path.rename(folder / path.name)
    return f"{bucket}/{path.name}"


def link(home: Path, bucket: str, file: str) -> str:
    """A second name for a content: what copying an object costs."""
    folder = home / "objects" / bucket
    folder.mkdir(mode=0o700, exist_ok=True)
    name = uuid.uuid4().hex
    os.link(home / "objects" / file, folder / name)
    return f"{bucket}/{name}"


def remove(home: Path, file: str) -> None:
    """Forget a content; a reader that has it open keeps it."""
    (home / "objects" / file).unlink(missing_ok=True)


def read(home: Path, file: str, start: int, end: int) -> Iterator[bytes]:
    """The bytes from *start* up to, not including, *end*; opened at once, so that removing the file does not matter."""
    opened = (home / "objects" / file).open("rb")

    def pieces() -> Iterator[bytes]:
        with opened:
            opened.seek(start)
            left = end - start
            while left > 0 and (piece := opened.read(min(PIECE, left))):
                left -= len(piece)
                yield piece

    return pieces()


def stream(source: BinaryIO) -> Iterator[bytes]:
    """A request's body in pieces, each as soon as it is there: what came before a client broke off is not lost."""
    buffered = cast("io.BufferedIOBase", source)
    while piece := buffered.read1(PIECE):
        yield piece


def check(written: Written, expected: Iterable[tuple[str, str]]) -> None:
    """Raise ApiError 400 where a checksum that the client sent, ("md5" or "crc32c", base64), is another."""
    for kind, value in expected:
        actual = written.md5 if kind == "md5" else written.crc32c
        if value.rstrip("=") != actual.rstrip("="):
            word = "MD5 hash" if kind == "md5" else "CRC32C"
            text = f'Provided {word} "{value}" doesn\'t match calculated {word} "{actual}".'
            raise ApiError(400, text, reason="invalid")
