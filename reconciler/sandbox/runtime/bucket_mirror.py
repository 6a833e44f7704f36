"""A folder that shows a bucket, as Cloud Storage FUSE does for a container: both sides see what the other one writes.

It is exchanged again and again: first what the container has written goes to the bucket, then what others have
changed there comes back. As with Cloud Storage FUSE nothing is locked, the last one who writes wins, and what somebody
else changes is seen a little later.
"""

import contextlib
import mimetypes
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.storage import blobs, bucket_access, generations, objects
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import World

_QUIET_SECONDS: Final = 0.3
"""How long a file is left alone after a write before it is taken for finished."""
Stamp = tuple[int, int, int]


class Unmountable(Exception):
    """A bucket cannot be shown; the text says why."""


@dataclass(frozen=True)
class Shown:
    """What of a bucket is shown to whom: the objects below *prefix*, to the member *member*."""

    bucket: str
    prefix: str
    member: str
    read_only: bool


@dataclass(frozen=True)
class _Same:
    """A file and a generation that were the same when they were last seen."""

    generation: str
    stamp: Stamp


class Mirror:
    """One bucket in one folder."""

    def __init__(self, world: World, shown: Shown, folder: Path, complain: Callable[[str], None]) -> None:
        self._world = world
        self._shown = shown
        self._folder = folder
        self._complain = complain
        self._same: dict[str, _Same] = {}
        self._refused: dict[str, Stamp] = {}

    def fill(self) -> None:
        """Lay the objects out. Raises Unmountable where there is no bucket, or no right to list it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            bucket = bucket_access.found(self._world, self._shown.bucket)
            bucket_access.demand(self._world, self._shown.member, "storage.objects.list", bucket)
        except ApiError as error:
            raise Unmountable(error.message) from error
        self._pull(bucket)

    def exchange(self, *, last: bool = False) -> None:
        """Bring both sides together once; for the *last* time also what has been written just now."""
        try:
            bucket = bucket_access.found(self._world, self._shown.bucket)
        except ApiError:
            return  # somebody has deleted it: the container keeps what it has
        if not self._shown.read_only:
            self._push(bucket, last=last)
        self._pull(bucket)

    def _push(self, bucket: Body, *, last: bool) -> None:
        files = self._files()
        quiet_since = time.time_ns() - int(_QUIET_SECONDS * 1e9)
        for name, stamp in files.items():
            same = self._same.get(name)
            fresh = (same is None or same.stamp != stamp) and self._refused.get(name) != stamp
            if fresh and (last or stamp[0] < quiet_since):
                self._upload(bucket, name, stamp)
        for name in [name for name in self._same if name not in files]:
            self._delete(bucket, name)

    def _upload(self, bucket: Body, name: str, stamp: Stamp) -> None:
        kind = mimetypes.guess_type(name)[0]
        try:
            bucket_access.demand(self._world, self._shown.member, "storage.objects.create", bucket)
            with self._path(name).open("rb") as file:
                written = blobs.write(self._world.home, iter(lambda: file.read(blobs.PIECE), b""))
        except FileNotFoundError:
            return
        except ApiError as error:
            self._refuse(name, stamp, error)
            return
        try:
            metadata = {"contentType": kind} if kind else {}
            body = generations.keep(self._world, self._shown.member, bucket, name, metadata, written)
        except ApiError as error:
            written.path.unlink(missing_ok=True)
            self._refuse(name, stamp, error)
        else:
            self._same[name] = _Same(body["generation"], stamp)

    def _refuse(self, name: str, stamp: Stamp, error: ApiError) -> None:
        self._refused[name] = stamp
        self._complain(f"{name} was not written to the bucket {self._shown.bucket}: {error.message}")

    def _delete(self, bucket: Body, name: str) -> None:
        """Delete what the container has deleted; where that is refused, the file comes back."""
        del self._same[name]
        body = self._world.store.get(objects.OBJECT, f"{bucket['name']}/{name}")
        if body is None:
            return
        try:
            bucket_access.demand(self._world, self._shown.member, "storage.objects.delete", bucket, on=body)
            generations.delete(self._world, bucket, body, by_number=False)
        except ApiError as error:
            self._complain(f"{name} was not deleted from the bucket {bucket['name']}: {error.message}")

    def _pull(self, bucket: Body) -> None:
        files = self._files()
        there: dict[str, Mapping[str, Any]] = dict(
            objects.walk(self._world, bucket["name"], self._shown.prefix, "", versions=False)
        )
        for name, body in there.items():
            same = self._same.get(name)
            if same is not None and same.generation == body["generation"] and name in files:
                continue
            # What the container has changed itself waits for its own turn.
            if name in files and (same is None or files[name] != same.stamp):
                continue
            if bucket_access.may(self._world, self._shown.member, "storage.objects.get", bucket, body):
                self._download(name, body)
        for name in [name for name in self._same if name not in there]:
            if files.get(name) == self._same.pop(name).stamp:
                self._path(name).unlink(missing_ok=True)

    def _download(self, name: str, body: Mapping[str, Any]) -> None:
        parts = name.removeprefix(self._shown.prefix).split("/")
        folder = self._folder.joinpath(*parts[:-1])
        # Cloud Storage FUSE does not show either what is no path.
        if any(part in ("", ".", "..") for part in parts[:-1]) or parts[-1] in (".", ".."):
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if parts[-1]:
                self._lay(folder / parts[-1], name, body)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            return  # an object and a folder of the same name

    def _lay(self, path: Path, name: str, body: Mapping[str, Any]) -> None:
        incoming = self._folder.with_name(f".{self._folder.name}")
        with incoming.open("wb") as file:
            file.writelines(blobs.read(self._world.home, body["file"], 0, int(body["size"])))
        incoming.chmod(0o444 if self._shown.read_only else 0o644)
        incoming.replace(path)
        self._same[name] = _Same(body["generation"], _stamp(path.stat()))

    def _files(self) -> dict[str, Stamp]:
        """Each file in the folder, by the name of its object."""
        found: dict[str, Stamp] = {}
        for place, _, names in os.walk(self._folder):
            for name in names:
                path = Path(place) / name
                with contextlib.suppress(FileNotFoundError):  # it may be gone again
                    if path.is_file() and not path.is_symlink():
                        below = path.relative_to(self._folder).as_posix()
                        found[self._shown.prefix + below] = _stamp(path.stat())
        return found

    def _path(self, name: str) -> Path:
        return self._folder / name.removeprefix(self._shown.prefix)


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_mtime_ns, found.st_size, found.st_ino
