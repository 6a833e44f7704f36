"""Reading the spec's bytes: everything that can be wrong with a file before it is YAML."""

from __future__ import annotations

import codecs
import difflib
import re
import stat
from pathlib import Path

from reconciler.spec.finding import Finding, UnreadableError

LARGEST = 1024 * 1024
"""Bytes. A spec has a few hundred lines; what is larger is another file."""

UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")
"""What YAML 1.1 and 1.2 both forbid in a stream."""


def read_text(path: Path, file: str) -> tuple[str, list[Finding]]:
    """The text of *path*, called *file* in findings, and warnings about it. Raises UnreadableError."""
    data = read_bytes(path, file)
    if data.startswith(UTF16_MARKS):
        raise UnreadableError(Finding(file, 1, 1, "", "is UTF-16, not UTF-8", "save it as UTF-8"))
    warnings: list[Finding] = []
    if data.startswith(codecs.BOM_UTF8):
        data = data[len(codecs.BOM_UTF8) :]
        message = "begins with a byte order mark, which some YAML readers refuse"
        warnings.append(Finding(file, 1, 1, "", message, "save it as UTF-8 without BOM", "warning"))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(_not_utf8(data, error, file)) from error
    if found := UNPRINTABLE.search(text):
        before = text[: found.start()]
        line, column = before.count("\n") + 1, found.start() - (before.rfind("\n") + 1) + 1
        message = f"holds the control character U+{ord(found[0]):04X}, which YAML forbids"
        raise UnreadableError(Finding(file, line, column, "", message, "delete the character"))
    return text, warnings


def read_bytes(path: Path, file: str) -> bytes:
    """The bytes of *path*, never more than LARGEST. Raises UnreadableError."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableError(_folder(path, file))
        if not stat.S_ISREG(status.st_mode):
            # A pipe could be waited for without end, and is empty when it is read a second time.
            raise UnreadableError(
                Finding(file, 0, 0, "", "is a pipe or device, not a file", "save it as a file first")
            )
        if status.st_size > LARGEST:
            raise UnreadableError(_too_large(file, f"{status.st_size / LARGEST:.1f} MiB"))
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except FileNotFoundError as error:
        raise UnreadableError(_missing(path, file)) from error
    except PermissionError as error:
        way = f"chmod u+r {file}, or run as its owner"
        raise UnreadableError(Finding(file, 0, 0, "", "may not be read: permission denied", way)) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        way = "give the path of a readable YAML file"
        raise UnreadableError(Finding(file, 0, 0, "", f"cannot be read: {reason}", way)) from error
    if len(data) > LARGEST:
        raise UnreadableError(_too_large(file, "more than 1 MiB"))
    return data


def _too_large(file: str, size: str) -> Finding:
    message = f"is {size} large; a spec is at most 1 MiB, so this is another file"
    return Finding(file, 0, 0, "", message, "give the path of the spec")


def _folder(path: Path, file: str) -> Finding:
    specs = sorted(child.name for child in path.iterdir() if child.suffix in {".yaml", ".yml"})
    way = f"name a file in it: {', '.join(specs[:5])}" if specs else "name a YAML file; there is none in it"
    return Finding(file, 0, 0, "", "is a folder, not a spec", way)


def _missing(path: Path, file: str) -> Finding:
    folder = path.parent
    try:
        names = [child.name for child in folder.iterdir() if child.is_file()]
    except OSError:
        return Finding(file, 0, 0, "", "does not exist, and neither does its folder", "check the path")
    near = difflib.get_close_matches(path.name, names, n=1)
    way = (
        f"did you mean {folder / near[0]}?"
        if near
        else f"mlflow-reconcile init {file} writes one to start from"
    )
    return Finding(file, 0, 0, "", "does not exist", way)


def _not_utf8(data: bytes, error: UnicodeDecodeError, file: str) -> Finding:
    before = data[: error.start]
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
    message = f"is not UTF-8: byte 0x{data[error.start]:02X} at offset {error.start}"
    return Finding(file, line, column, "", message, "save it as UTF-8")
