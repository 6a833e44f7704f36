"""The commands of a RUN that work on files, done on the image's own files."""

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from reconciler.sandbox.runtime.dockerfile import DockerfileError
from reconciler.sandbox.runtime.draft import Draft

_SYMBOLIC = re.compile(r"^([ugoa]*)([+=-])([rwxX]+)$")
_SHIFT = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1, "X": 1}


def _split(words: list[str], known: str) -> tuple[set[str], list[str]]:
    flags = {letter for word in words if re.match(r"^-[a-zA-Z]", word) for letter in word[1:]}
    unknown = flags - set(known)
    if unknown or any(word.startswith("--") for word in words):
        raise DockerfileError(
            f"an option is not understood: {' '.join(word for word in words if word[:1] == '-')}"
        )
    return flags, [word for word in words if not re.match(r"^-[a-zA-Z]", word)]


def _matches(draft: Draft, name: str) -> list[Path]:
    inside = draft.inside(name).relative_to(draft.root)
    return [draft.root] if str(inside) == "." else sorted(draft.root.glob(str(inside)))


def _make_folder(draft: Draft, words: list[str]) -> None:
    for name in _split(words, "pm")[1]:
        draft.inside(name).mkdir(parents=True, exist_ok=True)


def _remove(draft: Draft, words: list[str]) -> None:
    for name in _split(words, "rfv")[1]:
        for path in _matches(draft, name):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _touch(draft: Draft, words: list[str]) -> None:
    for name in _split(words, "")[1]:
        draft.inside(name).parent.mkdir(parents=True, exist_ok=True)
        draft.inside(name).touch()


def _link(draft: Draft, words: list[str]) -> None:
    target, name = _split(words, "sfn")[1]
    link = draft.inside(name)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _change_owner(draft: Draft, words: list[str]) -> None:
    draft.log(f" ---> noted: no file changes its owner to {_split(words, 'Rhv')[1][0]}")


def _change_mode(draft: Draft, words: list[str]) -> None:
    flags, rest = _split([word for word in words if not re.match(r"^-[rwx]+$", word)], "Rv")
    for name in rest[1:]:
        found = _matches(draft, name)
        if not found:
            draft.log(f" ---> noted: {name} is the base image's")
        for path in found:
            for one in (path, *path.rglob("*")) if "R" in flags and path.is_dir() else (path,):
                one.chmod(_mode(rest[0], one))


def _mode(wanted: str, path: Path) -> int:
    if wanted.isdigit():
        return int(wanted, 8)
    mode = path.stat().st_mode & 0o7777
    for clause in wanted.split(","):
        match = _SYMBOLIC.match(clause)
        if match is None:
            raise DockerfileError(f"chmod {clause} is not understood")
        who = match.group(1).replace("a", "ugo") or "ugo"
        for letter in who:
            bits = 0
            for right in match.group(3):
                if right != "X" or path.is_dir() or mode & 0o111:
                    bits |= _BITS[right] << _SHIFT[letter]
            keep = mode & ~(0o7 << _SHIFT[letter]) if match.group(2) == "=" else mode
            mode = keep & ~bits if match.group(2) == "-" else keep | bits
    return mode


FILE_COMMANDS: Final[Mapping[str, Callable[[Draft, list[str]], None]]] = {
    "mkdir": _make_folder,
    "rm": _remove,
    "touch": _touch,
    "ln": _link,
    "chown": _change_owner,
    "chmod": _change_mode,
}
