"""What the image is built from, addressed by its content."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.server.build_context import archive, read, unpack
from reconciler.spec.files import image_folder


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """A small image."""
    folder = tmp_path / "image"
    (folder / "serving").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM python\n")
    (folder / "requirements.txt").write_text(
        "mlflow==3.1.0 \\\n    --hash=x\nmlflow-skinny==3.1.0\nclick==8.1\n"
    )
    (folder / "serving" / "front.py").write_text("x = 1\n")
    (folder / "entrypoint").write_text("#!/bin/sh\n")
    (folder / "entrypoint").chmod(0o755)
    return folder


def _edit(folder: Path) -> None:
    (folder / "Dockerfile").write_text("FROM python:3.12\n")


def _add(folder: Path) -> None:
    (folder / "new").write_text("")


def _rename(folder: Path) -> None:
    (folder / "requirements.txt").rename(folder / "requirements.in")


def _move_a_byte(folder: Path) -> None:
    (folder / "serving" / "front.py").rename(folder / "serving.front.py")


def _forbid(folder: Path) -> None:
    (folder / "entrypoint").chmod(0o644)


@pytest.mark.parametrize("change", [_edit, _add, _rename, _move_a_byte, _forbid])
def test_another_content_is_another_image(folder: Path, change: Callable[[Path], None]) -> None:
    """A byte, a file, a name, a mode: each makes a new tag."""
    before = read(folder, "3.17.2").tag
    change(folder)
    assert read(folder, "3.17.2").tag != before


def _touch(folder: Path) -> None:
    os.utime(folder / "Dockerfile", (0, 0))


def _cache(folder: Path) -> None:
    (folder / "serving" / "__pycache__").mkdir()
    (folder / "serving" / "__pycache__" / "front.pyc").write_bytes(b"x")


def _document(folder: Path) -> None:
    (folder / "README.md").write_text("read me")


def _group(folder: Path) -> None:
    (folder / "Dockerfile").chmod(0o664)


@pytest.mark.parametrize("change", [_touch, _cache, _document, _group])
def test_what_does_not_change_the_image_does_not_change_its_name(
    folder: Path, change: Callable[[Path], None]
) -> None:
    """Times, caches, documentation and other people's permissions build nothing anew."""
    before = read(folder, "3.17.2")
    change(folder)
    after = read(folder, "3.17.2")
    assert (after.tag, archive(after)) == (before.tag, archive(before))


def test_the_tag_begins_with_mlflows_version(folder: Path) -> None:
    """A reader of the registry sees what is inside; another version is another image."""
    assert read(folder, "3.17.2").tag.startswith("3.17.2-")
    assert read(folder, "3.17.1").tag.split("-")[1] != read(folder, "3.17.2").tag.split("-")[1]


def test_mlflows_pins_follow_the_spec(folder: Path) -> None:
    """MLflow and its parts get the version that was asked for; nothing else is touched."""
    (requirements,) = [f for f in read(folder, "3.17.2").files if f.path == "requirements.txt"]
    assert requirements.content.decode() == (
        "mlflow==3.17.2 \\\n    --hash=x\nmlflow-skinny==3.17.2\nclick==8.1\n"
    )


def test_packages_of_the_spec_are_added(folder: Path) -> None:
    """Below what the file says, in their order; each set of them is an image of its own."""
    (folder / "packages.txt").write_text("# added\n")
    plain, more = read(folder, "3.17.2"), read(folder, "3.17.2", ["a==1", "b[c]==2"])
    (packages,) = [f for f in more.files if f.path == "packages.txt"]
    assert packages.content == b"# added\na==1\nb[c]==2\n"
    assert plain.tag != more.tag


def test_a_context_can_be_unpacked(folder: Path, tmp_path: Path) -> None:
    """The files, as the archive has them."""
    unpack(read(folder, "3.17.2"), tmp_path / "out")
    assert read(tmp_path / "out", "3.17.2") == read(folder, "3.17.2")


def test_an_archive_holds_the_files(folder: Path) -> None:
    """Paths, bytes and what may be run; nobody's name and no time."""
    with tarfile.open(fileobj=io.BytesIO(archive(read(folder, "3.17.2")))) as tar:
        modes = {entry.name: entry.mode for entry in tar}
        assert {(entry.mtime, entry.uid, entry.uname) for entry in tar} == {(0, 0, "")}
        front = tar.extractfile("serving/front.py")
        assert front is not None
        assert front.read() == b"x = 1\n"
    assert modes == {
        "Dockerfile": 0o644, "entrypoint": 0o755, "requirements.txt": 0o644, "serving/front.py": 0o644,
    }  # fmt: skip


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """An empty image is never built."""
    with pytest.raises(OSError, match="nothing"):
        read(tmp_path / "nothing", "3.17.2")


def test_our_own_image_has_what_a_build_needs() -> None:
    """The folder that is shipped holds the Dockerfile and an entrypoint that may be run."""
    files = {file.path: file for file in read(image_folder(), "3.17.2").files}
    assert {"Dockerfile", "entrypoint", "requirements.txt", "nginx.conf.template"} <= files.keys()
    assert files["entrypoint"].executable


def test_further_requirements_are_part_of_the_images_that_need_them(folder: Path) -> None:
    """They join the list that is always installed; images of others do not change with them."""
    (folder / "requirements-oidc.txt").write_text("mlflow-oidc-auth==1.0\n")
    plain, needing = read(folder, "3.17.2"), read(folder, "3.17.2", required=("requirements-oidc.txt",))
    lists = [{file.path: file.content for file in context.files} for context in (plain, needing)]
    assert all("requirements-oidc.txt" not in files for files in lists)
    assert lists[1]["requirements.txt"] == lists[0]["requirements.txt"] + b"mlflow-oidc-auth==1.0\n"
    (folder / "requirements-oidc.txt").write_text("mlflow-oidc-auth==1.1\n")
    assert read(folder, "3.17.2").tag == plain.tag != needing.tag
    assert read(folder, "3.17.2", required=("requirements-oidc.txt",)).tag != needing.tag
