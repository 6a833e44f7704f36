"""The folders that the containers of one instance share: its empty volumes, and those that show a bucket."""

import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from reconciler.sandbox.runtime.bucket_mirror import Mirror, Shown, Unmountable
from reconciler.sandbox.runtime.folders import instance_folder
from reconciler.sandbox.world import World

_EVERY: Final = 0.5
"""Seconds between two exchanges with the buckets."""


class Volumes:
    """The shared folders of an instance: `folder`/NAME for the volume NAME."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.folder: Path = instance_folder(world.home, f"v{time.monotonic_ns() % 0x1000000:06x}")
        self._mirrors: list[Mirror] = []
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, template: Mapping[str, Any], complain: Callable[[str], None]) -> None:
        """Show the buckets that a template mounts, with the rights of its service account.

        What cannot be written is told to `complain`. Raises Unmountable, in words that name the volume.
        """
        for volume in template.get("volumes", ()):
            if "gcs" in volume:
                shown = _shown(volume["gcs"], template["serviceAccount"])
                mirror = Mirror(self._world, shown, self.folder / volume["name"], complain)
                try:
                    mirror.fill()
                except Unmountable as error:
                    raise Unmountable(f"failed to mount volume {volume['name']}: {error}") from error
                self._mirrors.append(mirror)
        if self._mirrors:
            self._thread = threading.Thread(target=self._exchange, name="buckets", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write the last to the buckets, and remove the folders. The containers have ended."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            for mirror in self._mirrors:
                mirror.exchange(last=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _exchange(self) -> None:
        while not self._over.wait(_EVERY):
            for mirror in self._mirrors:
                mirror.exchange()


def _shown(volume: Mapping[str, Any], account: str) -> Shown:
    """What a volume shows. Of the options of Cloud Storage FUSE `only-dir` and `ro` are followed."""
    options: Sequence[str] = [str(one).strip() for one in volume.get("mountOptions", ())]
    folder = next((one.partition("=")[2].strip("/") for one in options if one.startswith("only-dir=")), "")
    return Shown(
        bucket=volume["bucket"],
        prefix=f"{folder}/" if folder else "",
        member=f"serviceAccount:{account}",
        read_only=bool(volume.get("readOnly")) or "ro" in options,
    )
