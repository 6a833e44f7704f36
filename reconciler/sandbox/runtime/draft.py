"""An image while it is built."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.sandbox.runtime.environments import Log, PipStep

DEFAULT_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Draft:
    """What the instructions so far have made of it; they change it in place."""

    root: Path
    context: Path
    log: Log
    env: dict[str, str] = field(default_factory=lambda: {"PATH": DEFAULT_PATH})
    arguments: dict[str, str] = field(default_factory=dict[str, str])
    given: Mapping[str, str] = field(default_factory=dict[str, str])
    workdir: str = "/"
    user: str = ""
    labels: dict[str, str] = field(default_factory=dict[str, str])
    ports: list[str] = field(default_factory=list[str])
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    base: str = ""
    steps: list[PipStep] = field(default_factory=list[PipStep])
    environment_paths: list[str] = field(default_factory=lambda: ["/usr/local"])
    programs: list[str] = field(default_factory=list[str])
    ignored: tuple[str, ...] = ()

    def variables(self) -> dict[str, str]:
        """What `$NAME` means now."""
        return {**self.arguments, **self.env}

    def inside(self, path: str) -> Path:
        """Where the image's path lies. None leads out of the image."""
        absolute = os.path.normpath(os.path.join(self.workdir, path))  # noqa: PTH118 -- a path of the image, not of this machine
        return self.root / absolute.lstrip("/")
