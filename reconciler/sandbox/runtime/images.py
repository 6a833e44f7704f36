"""Builds an image from a Dockerfile and its context, as far as the sandbox understands Dockerfiles.

An image is a folder `images/DIGEST/`: in it `config.json`, and in `root` the files that the Dockerfile copied.
The base image is not there: this machine's own Python, in an environment of its own, stands in for it.
"""

import hashlib
import json
import shutil
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from reconciler.sandbox.errors import SandboxError
from reconciler.sandbox.runtime.build_steps import follow
from reconciler.sandbox.runtime.copy_steps import ignored_names
from reconciler.sandbox.runtime.dockerfile import DockerfileError, parse
from reconciler.sandbox.runtime.draft import Draft
from reconciler.sandbox.runtime.environments import InstallError, Log, PipStep


class BuildError(Exception):
    """The build fails; the text is the log's last line."""


@dataclass(frozen=True)
class Image:
    """A built image, as its config.json says."""

    digest: str
    """Such as "sha256:…": the address of everything below."""
    folder: Path
    env: Mapping[str, str]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    workdir: str
    user: str
    steps: tuple[PipStep, ...]
    environment_paths: tuple[str, ...]
    """Absolute paths in the image that mean its Python environment, such as "/usr/local"."""
    programs: tuple[str, ...]
    """What the machine must provide: "nginx"."""

    @property
    def root(self) -> Path:
        """The image's own files."""
        return self.folder / "root"


def build(context: Path, dockerfile: str, given: Mapping[str, str], images: Path, log: Log) -> Image:
    """Build the Dockerfile in the context folder, and return the image, kept below `images` by its digest.

    Raises BuildError, its reason already in the log.
    """
    images.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="partial-", dir=images) as partial:
        root = Path(partial) / "image" / "root"
        root.mkdir(parents=True)
        draft = Draft(root, context, log, given=given, ignored=ignored_names(context))
        try:
            instructions = parse((context / dockerfile).read_text())
            for number, instruction in enumerate(instructions, 1):
                log(f"Step {number}/{len(instructions)} : {instruction.keyword} {instruction.text}")
                follow(draft, instruction)
            if not draft.base:
                raise DockerfileError("no FROM")
            return _keep(draft, images)
        except FileNotFoundError as error:
            raise _failed(log, f"{error.filename}: no such file in the build context") from error
        except (DockerfileError, InstallError) as error:
            raise _failed(log, str(error)) from error
        except SandboxError as error:
            raise _failed(log, f"{error} {error.way_out}".strip()) from error


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .tgz or .tar build context of files and folders. Raises BuildError for anything else.

    Nothing is written before every member was checked. Owners and times are left out, as modes are beyond 0755.
    """
    try:
        with tarfile.open(archive) as tar:
            members = tar.getmembers()
            for member in members:
                _check_member(member)
            for member in members:
                _unpack_member(tar, member, folder / member.name)
    except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error) as error:
        raise BuildError(f"the source is not a usable tar archive: {error}") from error


def load(images: Path, digest: str) -> Image | None:
    """The image with this digest, or None."""
    folder = images / digest.removeprefix("sha256:")
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    except FileNotFoundError:
        return None
    return Image(
        digest=f"sha256:{folder.name}",
        folder=folder,
        env=config["env"],
        entrypoint=tuple(config["entrypoint"]),
        command=tuple(config["command"]),
        workdir=config["workdir"],
        user=config["user"],
        steps=tuple(PipStep(tuple(arguments), files) for arguments, files in config["steps"]),
        environment_paths=tuple(config["environment_paths"]),
        programs=tuple(config["programs"]),
    )


def remove(images: Path, digest: str) -> None:
    """Forget an image; nothing happens where there is none."""
    place = images / digest.removeprefix("sha256:")
    if place.exists():
        with tempfile.TemporaryDirectory(prefix="partial-", dir=images) as partial:
            # In one step, so that a folder with a digest for its name is always a whole image.
            place.rename(Path(partial) / "image")


def size(image: Image) -> int:
    """The bytes of the image's own files."""
    return sum(
        file.stat().st_size for file in image.root.rglob("*") if file.is_file() and not file.is_symlink()
    )


def _check_member(member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise BuildError(f"the source's archive holds {member.name}, which leads out of the build context")
    if not member.isreg() and not member.isdir():
        raise BuildError(f"the source's archive holds {member.name}, which is neither a file nor a folder")


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    # By hand: extractall has its filter from Python 3.11.4 on only, and without one it follows the archive's owners.
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    if content is None:
        raise BuildError(f"the source's archive holds {member.name} without its content")
    with content, place.open("wb") as file:
        shutil.copyfileobj(content, file)
    place.chmod(member.mode & (0o755 if member.mode & 0o100 else 0o644) | 0o600)


def _keep(draft: Draft, images: Path) -> Image:
    config: dict[str, Any] = {
        "base": draft.base,
        "env": draft.env,
        "entrypoint": draft.entrypoint,
        "command": draft.command,
        "workdir": draft.workdir,
        "user": draft.user,
        "ports": draft.ports,
        "labels": draft.labels,
        "steps": [[step.arguments, dict(step.files)] for step in draft.steps],
        "environment_paths": draft.environment_paths,
        "programs": draft.programs,
        "files": _listing(draft.root),
    }
    text = json.dumps(config, sort_keys=True, indent=1)
    digest = hashlib.sha256(text.encode()).hexdigest()
    folder = images / digest
    made = draft.root.parent
    (made / "config.json").write_text(text)
    made.chmod(0o755)
    try:
        made.rename(folder)
    except OSError as error:
        # Where the same image is there already, or another build of it was quicker, this one is not needed.
        if not (folder / "config.json").exists():
            raise _failed(draft.log, f"the image cannot be kept in {folder}: {error.strerror}") from error
    kept = load(images, digest)
    if kept is None:
        raise _failed(draft.log, f"the image {digest} was removed while it was built")
    return kept


def _listing(root: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in sorted(root.rglob("*")):
        name = "/" + path.relative_to(root).as_posix()
        mode = oct(stat.S_IMODE(path.lstat().st_mode))
        if path.is_symlink():
            found[name] = ["link", str(path.readlink())]
        elif path.is_file():
            found[name] = [mode, hashlib.sha256(path.read_bytes()).hexdigest()]
        else:
            found[name] = [mode]
    return found


def _failed(log: Log, reason: str) -> BuildError:
    log(f"ERROR: {reason}")
    return BuildError(reason)
