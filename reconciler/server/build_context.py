"""What the server's image is built from: the files of `image/`, addressed by their content.

The tag is a hash of paths, modes and bytes and of the MLflow version asked for, so an image is built again only when
one of them changes, and the same content is the same image in every deployment of a project.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS = "requirements.txt"
PACKAGES = "packages.txt"
"""What the spec adds to the image; a comment and nothing else in the folder itself."""
PROVIDER = "requirements-oidc.txt"
"""What logins at an identity provider add to the requirements; part of no image that does without."""
NOT_PART = {"__pycache__", ".DS_Store", "README.md"}
_MLFLOW_PIN = re.compile(rb"^(mlflow(?:-skinny|-tracing)?)==\S+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class File:
    """One file of the context: its *path* inside it, whether it may be run, its bytes."""

    path: str
    executable: bool
    content: bytes


@dataclass(frozen=True, slots=True)
class BuildContext:
    """Every file, sorted by path, and the *tag* that names exactly this content: MLflow's version and a hash."""

    files: tuple[File, ...]
    tag: str


def read(
    folder: Path, mlflow_version: str, packages: Iterable[str] = (), required: Iterable[str] = ()
) -> BuildContext:
    """The context in *folder*, with MLflow's pins set to *mlflow_version* and *packages* (NAME==VERSION) added.

    *required* names further lists of requirements in the folder, which become part of the one that is always installed.
    Raises `OSError` where it cannot be read.
    """
    if not (folder / "Dockerfile").is_file():  # a folder that is missing would otherwise be an empty context
        raise FileNotFoundError(errno.ENOENT, "there is no Dockerfile in it", str(folder))
    more = b"".join((folder / name).read_bytes() for name in required)
    files = tuple(_adapted(file, mlflow_version, tuple(packages), more) for file in _files(folder))
    digest = hashlib.sha256()
    for file in files:
        head = f"{file.path}\0{int(file.executable)}\0{len(file.content)}\0"
        digest.update(head.encode() + file.content)
    return BuildContext(files, f"{mlflow_version}-{digest.hexdigest()[:16]}")


def archive(context: BuildContext) -> bytes:
    """The context as a .tar.gz: the same bytes for the same content, whoever packs it and when."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for file in context.files:
            entry = tarfile.TarInfo(file.path)
            entry.size, entry.mode = len(file.content), 0o755 if file.executable else 0o644
            tar.addfile(entry, io.BytesIO(file.content))
    return packed.getvalue()


def unpack(context: BuildContext, folder: Path) -> None:
    """Write the context's files into *folder*."""
    for file in context.files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        path.chmod(0o755 if file.executable else 0o644)


def _files(folder: Path) -> Iterable[File]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and path.name != PROVIDER and not NOT_PART.intersection(inside.parts):
            yield File(inside.as_posix(), bool(path.stat().st_mode & 0o100), path.read_bytes())


def _adapted(file: File, mlflow_version: str, packages: tuple[str, ...], required: bytes) -> File:
    if file.path == REQUIREMENTS:
        content = _MLFLOW_PIN.sub(rb"\g<1>==" + mlflow_version.encode(), file.content) + required
    elif file.path == PACKAGES:
        content = file.content + "".join(f"{package}\n" for package in packages).encode()
    else:
        return file
    return File(file.path, file.executable, content)
