"""Building images."""

import io
import os
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.sandbox.runtime import environments, images
from reconciler.sandbox.runtime.environments import PipStep
from reconciler.sandbox.runtime.images import BuildError

SIMPLE = """FROM --platform=linux/amd64 python:3-slim
ARG PORT=1
ENV GREETING="hello there" COPY_OF=$PORT
RUN groupadd -r app && useradd -r -g app app && mkdir -p /app/data && chown app /app
WORKDIR /app
COPY . .
COPY --chmod=0755 run.sh /usr/bin/run
RUN chmod u+x,go-r run.sh && rm -f /app/unwanted && ln -s run.sh again
USER app
EXPOSE 8080
LABEL a=b
ENTRYPOINT ["/app/run.sh"]
CMD ["serve"]
"""


def _build(top: Path, dockerfile: str, log: list[str] | None = None, **given: str) -> images.Image:
    context = top / "context"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(dockerfile)
    (context / "run.sh").write_text("#!/bin/sh\n")
    (context / "unwanted").write_text("x")
    (context / "secret.env").write_text("x")
    (context / ".dockerignore").write_text("# comment\n*.env\nDockerfile\n")
    lines = log if log is not None else []
    return images.build(context, "Dockerfile", given, top / "images", lines.append)


def test_instructions_leave_their_mark(top: Path) -> None:
    """Files, modes, links, environment, entrypoint and command are what the Dockerfile says."""
    image = _build(top, SIMPLE, PORT="7")
    assert image.env["GREETING"] == "hello there"
    assert image.env["COPY_OF"] == "7"
    assert (image.entrypoint, image.command, image.workdir, image.user) == (
        ("/app/run.sh",),
        ("serve",),
        "/app",
        "app",
    )
    listing = sorted(path.relative_to(image.root).as_posix() for path in image.root.rglob("*"))
    assert listing == [
        "app", "app/.dockerignore", "app/again", "app/data", "app/run.sh", "usr", "usr/bin", "usr/bin/run"
    ]  # fmt: skip
    assert (image.root / "usr/bin/run").stat().st_mode & 0o777 == 0o755
    assert (image.root / "app/run.sh").stat().st_mode & 0o777 == 0o700
    assert (image.root / "app/again").readlink() == Path("run.sh")


def test_the_digest_is_the_contents(top: Path) -> None:
    """The same context has the same digest; one more byte, or another variable, has another."""
    first = _build(top, SIMPLE)
    assert _build(top, SIMPLE).digest == first.digest
    assert _build(top, SIMPLE.replace("hello", "hallo")).digest != first.digest
    assert images.load(top / "images", first.digest) == first


def test_builds_of_one_image_at_once_do_not_meet(top: Path) -> None:
    """However many run side by side, there is one image, whole, and nothing half-made beside it."""
    expected = _build(top, SIMPLE)
    images.remove(top / "images", expected.digest)
    assert images.load(top / "images", expected.digest) is None
    together = threading.Barrier(4)

    def build(_: int) -> images.Image:
        def log(line: str) -> None:
            if "LABEL" in line:
                together.wait(30)

        return images.build(top / "context", "Dockerfile", {}, top / "images", log)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(build, range(4))) == [expected] * 4
    assert [image.name for image in (top / "images").iterdir()] == [expected.folder.name]


def test_the_log_says_what_stands_in_for_what(top: Path) -> None:
    """The base image and accounts are not there, and the log does not hide it."""
    log: list[str] = []
    _build(top, SIMPLE, log)
    text = "\n".join(log)
    assert "stands in for python:3-slim" in text
    assert "containers run as the sandbox's own user" in text


def test_pip_really_installs_into_an_environment_of_the_image(top: Path) -> None:
    """The environment has the package, is shared by its recipe, and is not at a temporary place."""
    wheel = top / "context" / "tiny-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    _make_wheel(wheel)
    image = _build(top, f"FROM python:3\nCOPY . /app\nRUN pip install --no-cache-dir --no-index {wheel}\n")
    environment = environments.provide(image.steps, print)
    assert environments.provide(image.steps, print) == environment
    assert list(environment.glob("lib/python3*/site-packages/tiny.py"))
    assert list(environment.glob("lib/python3*/site-packages/__pycache__/tiny.*.pyc"))
    script = (environment / "bin" / "tiny").read_text()
    assert script.startswith(f"#!{environment}/bin/python")


def test_a_second_pip_step_begins_with_what_the_first_installed(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As layers of an image do; the first stays as it is, scripts say their own place, empty lists make no layer."""
    monkeypatch.setenv("MLFLOW_RECONCILE_CACHE", str(top / "cache"))
    for name in ("tiny", "small"):
        wheel = top / "context" / f"{name}-1.0-py3-none-any.whl"
        wheel.parent.mkdir(exist_ok=True)
        _make_wheel(wheel)
    log: list[str] = []
    first = PipStep(("--no-index", str(top / "context" / "tiny-1.0-py3-none-any.whl")), {})
    empty = PipStep(
        ("-c", "limits.txt", "-r", "none.txt"), {"none.txt": "# none\n", "limits.txt": "six==1\n"}
    )
    second = PipStep(("--no-index", str(top / "context" / "small-1.0-py3-none-any.whl")), {})
    below = environments.provide([first, empty], log.append)
    assert below == environments.provide([first], log.append)
    above = environments.provide([first, empty, second], log.append)
    assert above != below
    assert {"tiny.py", "small.py"} <= {path.name for path in above.glob("lib/python3*/site-packages/*.py")}
    assert not list(below.glob("lib/python3*/site-packages/small.py"))
    assert (above / "bin" / "tiny").read_text().startswith(f"#!{above}/bin/python")


@pytest.mark.parametrize(("base", "brought"), [("python:3.11-slim", True), ("python:3.13-slim", False)])
def test_images_of_older_pythons_bring_setuptools(top: Path, base: str, brought: bool) -> None:
    """Up to 3.11 Docker's images had it, and MLflow of that time imports pkg_resources without asking for it."""
    image = _build(top, f"FROM {base}\nRUN pip install --no-deps six==1.17.0\n")
    assert bool([step for step in image.steps if "setuptools==79.0.1" in step.arguments]) == brought


def test_a_package_that_is_not_there_fails_the_build(top: Path) -> None:
    """pip's own words are in the log, and nothing half-made stays in the cache."""
    log: list[str] = []
    with pytest.raises(
        BuildError, match=r"pip install returned a non-zero code: 1; .*No matching distribution"
    ):
        _build(top, "FROM python:3\nRUN pip install --no-index no-such-package-anywhere\n", log)
    assert any("No matching distribution" in line for line in log)
    assert not list((environments.cache_folder() / "environments").glob("partial-*"))


def test_what_a_killed_build_left_is_cleared_away(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next build of the same environment begins anew, and nothing of the old one stays."""
    monkeypatch.setenv("MLFLOW_RECONCILE_CACHE", str(top / "cache"))
    folder = environments.cache_folder() / "environments"
    partial = folder / f"partial-{environments.key([])}"
    partial.mkdir(parents=True)
    (partial / "half-made").touch()
    made = environments.provide([], print)
    assert not (made / "half-made").exists()
    assert {path.name for path in folder.iterdir()} == {made.name, f"{made.name}.lock"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("FROM ubuntu:24.04", "is not python:3.x"),
        ("FROM python:3\nVOLUME /x", "the instruction VOLUME is not understood"),
        ("RUN true", "comes before FROM"),
        ("FROM python:3\nRUN make all", "the command make is not understood"),
        ("FROM python:3\nCOPY nothing /x", "no such file in the build context"),
        ("FROM python:3\nCOPY ../images /x", "no such file in the build context"),
        ("FROM python:3\nCOPY secret.env /x", "no such file in the build context"),
        ("FROM python:3\nRUN pip install --target /x y", "pip's option --target is not understood"),
        ("FROM python:3 AS a\nFROM python:3", "a second FROM"),
        ("FROM --platform=linux/arm64 python:3", "only linux/amd64"),
    ],
)
def test_what_is_not_understood_fails_the_build(top: Path, line: str, reason: str) -> None:
    """The last line of the log is the reason, with the line's number where it has one."""
    log: list[str] = []
    with pytest.raises(BuildError, match=reason):
        _build(top, line + "\n", log)
    assert log[-1].startswith("ERROR: ")


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/mlr-evil"])
def test_an_archive_that_leads_out_of_the_context_is_refused(top: Path, name: str) -> None:
    """A path that is absolute, or has .. in it, is no way into the machine; nothing before it is unpacked either."""
    archive = _archive(top, tarfile.TarInfo("fine"), tarfile.TarInfo(name))
    with pytest.raises(BuildError, match=f"holds {name}, which leads out of the build context"):
        images.unpack(archive, top / "unpacked")
    assert not list((top / "unpacked").iterdir())
    assert not (top / "evil").exists()
    assert not Path("/mlr-evil").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_an_archive_holds_files_and_folders_only(top: Path, kind: bytes) -> None:
    """Links and devices are refused by name."""
    entry = tarfile.TarInfo("odd")
    entry.type, entry.linkname = kind, "/etc/passwd"
    with pytest.raises(BuildError, match="holds odd, which is neither a file nor a folder"):
        images.unpack(_archive(top, entry), top / "unpacked")
    assert not list((top / "unpacked").iterdir())


def test_an_archive_is_unpacked_as_our_own_files(top: Path) -> None:
    """Programs stay programs; nobody else may write, and neither owners nor special bits come along."""
    entries = [
        tarfile.TarInfo("deep/run.sh"),
        tarfile.TarInfo("deep"),
        tarfile.TarInfo("odd"),
        tarfile.TarInfo("."),
    ]
    for entry, mode in zip(entries, (0o4777, 0o777, 0o066, 0o700), strict=True):
        entry.mode, entry.uid, entry.gid = mode, 12345, 12345
    entries[1].type = entries[3].type = tarfile.DIRTYPE
    images.unpack(_archive(top, *entries), top / "unpacked")
    program = (top / "unpacked/deep/run.sh").stat()
    assert (program.st_mode & 0o7777, program.st_uid) == (0o755, os.getuid())
    assert (top / "unpacked/odd").stat().st_mode & 0o7777 == 0o644


def test_an_archive_that_ends_early_fails_the_build(top: Path) -> None:
    """So does anything that is no archive at all."""
    archive = _archive(top)
    entry = tarfile.TarInfo("file")
    entry.size = 100_000
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    for content in (archive.read_bytes()[:50_000], b"no archive"):
        archive.write_bytes(content)
        with pytest.raises(BuildError, match="not a usable tar archive"):
            images.unpack(archive, top / "unpacked")


def _archive(top: Path, *entries: tarfile.TarInfo) -> Path:
    """An archive of entries without content, beside an empty folder for it."""
    archive = top / "source.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for entry in entries:
            tar.addfile(entry, io.BytesIO())
    (top / "unpacked").mkdir()
    return archive


def _make_wheel(path: Path) -> None:
    """A wheel with one module and one script, all named like the file."""
    import zipfile

    name = path.name.partition("-")[0]
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", f"def main():\n    print('{name}')\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        wheel.writestr(f"{info}/RECORD", "")
