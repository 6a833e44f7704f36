"""What can be wrong with a file before it is YAML."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from reconciler.errors import Exit, SpecInvalid
from reconciler.spec import source
from reconciler.spec.finding import Finding
from reconciler.spec.load import check, load

VALID = b"version: 1\nname: mlflow-test\nproject: acme-ml\nregion: europe-west1\n"


def only(path: Path) -> Finding:
    """The one finding about *path*."""
    (found,) = check(path)
    assert found.file == str(path)
    return found


def test_a_missing_file_names_its_nearest_neighbour(tmp_path: Path) -> None:
    """A misspelt file name is answered with the right one."""
    (tmp_path / "prod.yaml").write_bytes(VALID)
    found = only(tmp_path / "prd.yaml")
    assert found.message == "does not exist"
    assert str(tmp_path / "prod.yaml") in found.way_out


def test_a_missing_file_without_neighbours_points_at_init(tmp_path: Path) -> None:
    """Where nothing is near, the way out is to start a spec."""
    assert "mlflow-reconcile init" in only(tmp_path / "mlflow.yaml").way_out


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The path's folder may be what is misspelt."""
    assert "folder" in only(tmp_path / "nowhere" / "mlflow.yaml").message


def test_a_folder_lists_its_specs(tmp_path: Path) -> None:
    """A folder is refused, with the files in it that could be meant."""
    (tmp_path / "b.yaml").touch()
    (tmp_path / "a.yml").touch()
    (tmp_path / "notes.txt").touch()
    found = only(tmp_path)
    assert "folder" in found.message
    assert found.way_out.endswith("a.yml, b.yaml")


def test_a_file_of_50_mb_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the size is looked at."""
    path = tmp_path / "model.yaml"
    with path.open("wb") as stream:
        stream.truncate(50 * 1024 * 1024)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the file was opened")

    monkeypatch.setattr(Path, "open", refuse)
    assert "50.0 MiB" in only(path).message


def test_an_endless_file_is_not_read_at_all() -> None:
    """A device has size 0 and no end."""
    assert "is a pipe or device" in only(Path("/dev/zero")).message


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permission denied is its own message; root may read everything, so the refusal is made up."""
    path = tmp_path / "mlflow.yaml"
    path.write_bytes(VALID)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    found = only(path)
    assert "permission denied" in found.message
    assert "chmod" in found.way_out


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_read_permission_says_so(tmp_path: Path) -> None:
    """The same with a real file, where the tests do not run as root."""
    path = tmp_path / "mlflow.yaml"
    path.write_bytes(VALID)
    path.chmod(stat.S_IWUSR)
    assert "permission denied" in only(path).message


def test_a_file_that_is_not_utf8_names_the_byte(tmp_path: Path) -> None:
    """Offset, line and column of the first byte that cannot be read."""
    path = tmp_path / "mlflow.yaml"
    path.write_bytes(VALID + "labels: {ort: köln}\n".encode("latin-1"))
    found = only(path)
    assert (found.line, found.column) == (5, 16)
    assert found.message == f"is not UTF-8: byte 0xF6 at offset {len(VALID) + 15}"


def test_utf16_is_named(tmp_path: Path) -> None:
    """What an old Windows editor writes."""
    path = tmp_path / "mlflow.yaml"
    path.write_bytes(VALID.decode().encode("utf-16"))
    assert "UTF-16" in only(path).message


def test_a_byte_order_mark_is_a_warning_and_changes_no_column(tmp_path: Path) -> None:
    """The spec is read all the same."""
    path = tmp_path / "mlflow.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + VALID)
    found = only(path)
    assert (found.severity, found.line, found.column) == ("warning", 1, 1)
    assert load(path).origin("version").line == 1


def test_windows_line_ends_are_read(tmp_path: Path) -> None:
    """Line numbers are the same with CRLF."""
    path = tmp_path / "mlflow.yaml"
    path.write_bytes(VALID.replace(b"\n", b"\r\n") + b"memory: 5\r\n")
    assert (only(path).line, only(path).column) == (5, 9)


def test_a_path_that_no_system_takes_is_a_finding(tmp_path: Path) -> None:
    """A zero byte and a name that is too long."""
    assert "cannot be read" in only(Path("a\0b")).message
    assert "cannot be read" in only(tmp_path / ("x" * 5000)).message


def test_load_raises_with_every_finding(tmp_path: Path) -> None:
    """The error for scripts holds all of it, and exits 3."""
    path = tmp_path / "mlflow.yaml"
    path.write_bytes(b"version: 2\nname: M\n")
    with pytest.raises(SpecInvalid) as raised:
        load(path)
    assert raised.value.exit_code is Exit.SPEC
    assert raised.value.message.startswith("4 things are wrong with the spec:\n")
    for key in ("version", "name", "project", "region"):
        assert f": {key}: " in raised.value.message


def test_the_limit_is_one_mebibyte(tmp_path: Path) -> None:
    """One byte less than too much is still read."""
    path = tmp_path / "mlflow.yaml"
    path.write_bytes(VALID + b"#" * (source.LARGEST - len(VALID)))
    assert check(path) == []


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    """Nobody may ever write into it."""
    os.mkfifo(tmp_path / "spec.yaml")
    assert "is a pipe or device" in only(tmp_path / "spec.yaml").message
