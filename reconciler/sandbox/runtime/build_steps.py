"""What each Dockerfile instruction, and each command of a RUN, does to the image that is being built."""

import itertools
import platform
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Final

from reconciler.sandbox.runtime import environments, programs
from reconciler.sandbox.runtime.copy_steps import copy
from reconciler.sandbox.runtime.dockerfile import DockerfileError, Instruction, commands, expand, pairs
from reconciler.sandbox.runtime.draft import Draft
from reconciler.sandbox.runtime.environments import PipStep
from reconciler.sandbox.runtime.file_steps import FILE_COMMANDS

_SETUPTOOLS = ("setuptools==79.0.1", "wheel==0.45.1")
_BASE = re.compile(r"^(?:docker\.io/)?(?:library/)?python:(3(?:\.\d+)*)[\w.-]*(?:@sha256:[0-9a-f]{64})?$")
_PLATFORMS = ("", "linux/amd64", "$BUILDPLATFORM", "$TARGETPLATFORM")


def follow(draft: Draft, instruction: Instruction) -> None:
    """Carry out one instruction. Raises DockerfileError for one that is not understood."""
    act = _INSTRUCTIONS.get(instruction.keyword)
    if act is None:
        raise DockerfileError(
            f"line {instruction.line}: the instruction {instruction.keyword} is not understood"
        )
    if instruction.keyword not in ("FROM", "ARG") and not draft.base:
        raise DockerfileError(f"line {instruction.line}: {instruction.keyword} comes before FROM")
    act(draft, instruction)


def _from(draft: Draft, instruction: Instruction) -> None:
    if draft.base:
        raise DockerfileError(
            f"line {instruction.line}: a second FROM (a multi-stage build) is not understood"
        )
    if instruction.flag("platform") not in _PLATFORMS:
        raise DockerfileError(f"line {instruction.line}: only linux/amd64 is built")
    base = expand(instruction.text.split()[0], draft.arguments)
    match = _BASE.match(base)
    if match is None:
        raise DockerfileError(f"line {instruction.line}: the base image {base} is not python:3.x")
    draft.base = base
    here = platform.python_version()
    draft.log(f" ---> the sandbox has no base images: this machine's Python {here} stands in for {base}")
    if not here.startswith(match.group(1)):
        draft.log(f" ---> note: {base} asks for Python {match.group(1)}, and this is {here}")


def _brings_setuptools(base: str) -> bool:
    """Docker's python images had setuptools and wheel in them up to 3.11; MLflow of that time imports pkg_resources."""
    match = _BASE.match(base)
    minor = match[1].split(".")[1:2] if match else []
    return bool(minor) and int(minor[0]) < 12


def _arg(draft: Draft, instruction: Instruction) -> None:
    """ARG: a value given to the build wins over the default."""
    for name, default in pairs(instruction.text + ("" if "=" in instruction.text else "=")).items():
        draft.arguments[name] = draft.given.get(name, expand(default, draft.variables()))


def _env(draft: Draft, instruction: Instruction) -> None:
    for name, value in pairs(instruction.text).items():
        draft.env[name] = expand(value, draft.variables())


def _label(draft: Draft, instruction: Instruction) -> None:
    found = pairs(instruction.text)
    draft.labels.update({name: expand(value, draft.variables()) for name, value in found.items()})


def _workdir(draft: Draft, instruction: Instruction) -> None:
    folder = draft.inside(expand(instruction.text, draft.variables()))
    folder.mkdir(parents=True, exist_ok=True)
    draft.workdir = "/" + folder.relative_to(draft.root).as_posix().removeprefix(".")


def _user(draft: Draft, instruction: Instruction) -> None:
    draft.user = expand(instruction.text, draft.variables())
    draft.log(f" ---> noted: containers run as the sandbox's own user, not as {draft.user}")


def _expose(draft: Draft, instruction: Instruction) -> None:
    draft.ports += expand(instruction.text, draft.variables()).split()


def _entrypoint(draft: Draft, instruction: Instruction) -> None:
    draft.entrypoint = _started_words(instruction)
    draft.command = ()


def _cmd(draft: Draft, instruction: Instruction) -> None:
    draft.command = _started_words(instruction)


def _started_words(instruction: Instruction) -> tuple[str, ...]:
    array = instruction.array()
    return tuple(array) if array is not None else ("/bin/sh", "-c", instruction.text)


def _noted(draft: Draft, instruction: Instruction) -> None:
    draft.log(f" ---> noted: Cloud Run does not look at {instruction.keyword}")


def _run(draft: Draft, instruction: Instruction) -> None:
    array = instruction.array()
    try:
        found = [array] if array is not None else commands(instruction.text)
        for command in found:
            words = [expand(word, draft.variables()) for word in command]
            draft.log(f" ---> {shlex.join(words)}")
            _command(draft, words)
    except DockerfileError as error:
        raise DockerfileError(f"line {instruction.line}: {error}") from error


def _command(draft: Draft, words: list[str]) -> None:
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words = words[1:]  # a variable for this one command: DEBIAN_FRONTEND=noninteractive
    if not words:
        return
    name = words[0].rsplit("/", 1)[-1]
    if re.fullmatch(r"python[\d.]*", name) and words[1:2] == ["-m"]:
        _python_module(draft, words[2:])
    elif re.fullmatch(r"pip[\d.]*", name):
        _pip(draft, words[1:])
    elif name in _COMMANDS:
        _COMMANDS[name](draft, words[1:])
    else:
        raise DockerfileError(f"the command {words[0]} is not understood")


def _python_module(draft: Draft, words: list[str]) -> None:
    if words[:1] == ["pip"]:
        _pip(draft, words[1:])
    elif words[:1] == ["venv"] and len(words) > 1:
        draft.environment_paths.append(words[-1].rstrip("/"))
        draft.log(f" ---> the image's Python environment stands in for {words[-1]}")
    elif words[:1] == ["compileall"]:
        draft.log(" ---> noted: the environment is compiled already")
    else:
        raise DockerfileError(f"python -m {' '.join(words[:1])} is not understood")


def _pip(draft: Draft, words: list[str]) -> None:
    if words[:2] == ["cache", "purge"]:
        return
    if words[:1] != ["install"]:
        raise DockerfileError(f"pip {' '.join(words[:1])} is not understood")
    arguments = words[1:]
    if refusal := environments.arguments_error(arguments):
        raise DockerfileError(refusal)
    files: dict[str, str] = {}
    for flag, value in itertools.pairwise(arguments):
        if flag in ("-r", "--requirement", "-c", "--constraint"):
            files[value] = draft.inside(value).read_text()
    if not draft.steps and _brings_setuptools(draft.base):
        draft.steps.append(PipStep(_SETUPTOOLS, {}))
    draft.steps.append(PipStep(tuple(arguments), files))
    environment = environments.provide(draft.steps, draft.log)
    draft.log(f" ---> environment {environment.name}")


def _apt(draft: Draft, words: list[str]) -> None:
    names = [word for word in words if not word.startswith("-")]
    if names[:1] == ["install"]:
        for package in names[1:]:
            _package(draft, package)
    elif names[:1] not in (["update"], ["clean"], ["autoremove"], ["upgrade"]):
        raise DockerfileError(f"apt-get {' '.join(names[:1])} is not understood")


def _package(draft: Draft, package: str) -> None:
    name = package.partition("=")[0]
    if name in ("nginx", "nginx-light", "nginx-core", "nginx-full"):
        found = programs.nginx()
        version = ".".join(str(part) for part in programs.nginx_version(found))
        draft.log(f" ---> nginx {version} of this machine stands in for {package}")
        if "nginx" not in draft.programs:
            draft.programs.append("nginx")
    else:
        draft.log(f" ---> noted, and left to this machine: {package}")


def _account(draft: Draft, words: list[str]) -> None:
    name = words[-1] if words else ""
    draft.log(f" ---> noted: no account {name} is made; containers run as the sandbox's own user")


def _nothing(draft: Draft, words: list[str]) -> None:
    del draft, words  # `set -eux` and `true` change nothing: every command here ends the build when it fails


_INSTRUCTIONS: Final[Mapping[str, Callable[[Draft, Instruction], None]]] = {
    "FROM": _from,
    "ARG": _arg,
    "ENV": _env,
    "LABEL": _label,
    "WORKDIR": _workdir,
    "COPY": copy,
    "ADD": copy,
    "RUN": _run,
    "USER": _user,
    "EXPOSE": _expose,
    "ENTRYPOINT": _entrypoint,
    "CMD": _cmd,
    "HEALTHCHECK": _noted,
    "STOPSIGNAL": _noted,
}
_COMMANDS: Final[Mapping[str, Callable[[Draft, list[str]], None]]] = {
    "apt-get": _apt,
    "apt": _apt,
    "useradd": _account,
    "groupadd": _account,
    "adduser": _account,
    "addgroup": _account,
    "usermod": _account,
    "set": _nothing,
    "true": _nothing,
    **FILE_COMMANDS,
}
