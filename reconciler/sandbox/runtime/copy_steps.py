"""COPY and ADD: files of the build context into the image."""

import fnmatch
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from reconciler.sandbox.runtime.dockerfile import DockerfileError, Instruction, expand
from reconciler.sandbox.runtime.draft import Draft


def copy(draft: Draft, instruction: Instruction) -> None:
    """COPY and ADD of local files: the sources' contents into the image."""
    words = instruction.array() or [expand(word, draft.variables()) for word in instruction.text.split()]
    if len(words) < 2:
        raise DockerfileError(
            f"line {instruction.line}: {instruction.keyword} needs a source and a destination"
        )
    sources, destination = words[:-1], words[-1]
    chosen = _chosen(draft, instruction, sources)
    into_folder = destination.endswith(("/", "/.")) or destination == "." or len(chosen) > 1
    for source in chosen:
        target = draft.inside(destination)
        if source.is_dir():
            _copy_tree(draft, source, target)
        else:
            target = target / source.name if into_folder or target.is_dir() else target
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
        if mode := instruction.flag("chmod"):
            _change_mode(target, int(mode, 8))


def _chosen(draft: Draft, instruction: Instruction, sources: Sequence[str]) -> list[Path]:
    if instruction.flag("from"):
        raise DockerfileError(f"line {instruction.line}: COPY --from is not understood")
    context = draft.context.resolve()
    found: list[Path] = []
    for source in sources:
        if "://" in source:
            raise DockerfileError(f"line {instruction.line}: ADD of a URL is not understood")
        name = os.path.normpath(source).lstrip("/") if source != "." else "."
        matches = sorted(context.glob(name)) if name != "." else [context]
        kept = [match for match in matches if match == context or not _is_ignored(draft, match)]
        if not kept or any(not match.resolve().is_relative_to(context) for match in kept):
            raise DockerfileError(f'line {instruction.line}: "{source}": no such file in the build context')
        found += kept
    return found


def _copy_tree(draft: Draft, source: Path, target: Path) -> None:
    def left_out(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if _is_ignored(draft, Path(folder) / name)]

    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=left_out)


def ignored_names(context: Path) -> tuple[str, ...]:
    """The patterns of .dockerignore."""
    file = context / ".dockerignore"
    lines = file.read_text().splitlines() if file.exists() else []
    return tuple(line.strip().strip("/") for line in lines if line.strip() and not line.startswith("#"))


def _is_ignored(draft: Draft, path: Path) -> bool:
    """Whether .dockerignore leaves this file out; the last pattern that matches decides."""
    name = path.relative_to(draft.context.resolve()).as_posix()
    verdict = False
    for pattern in draft.ignored:
        bare = pattern.removeprefix("!").removeprefix("**/")
        tries = (name, Path(name).name) if "**/" in pattern else (name,)
        if any(fnmatch.fnmatch(one, bare) or one.startswith(bare + "/") for one in tries):
            verdict = not pattern.startswith("!")
    return verdict


def _change_mode(path: Path, mode: int) -> None:
    for one in (path, *path.rglob("*")) if path.is_dir() else (path,):
        one.chmod(mode)
