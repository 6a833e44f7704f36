"""Whatever a plan file holds: it is read, or refused with one message; never anything else, and never without end."""

from __future__ import annotations

import contextlib
import json
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler import errors, sealed
from reconciler.render import markdown, text
from tests.render.sample import everything

QUICK = settings(
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
    derandomize=True,
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("\ud800\x1b[2J"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(name="good")
def _good(tmp_path: Path) -> Path:
    (tmp_path / "mlflow.yaml").write_text("version: 1\n", encoding="utf-8")
    path = tmp_path / "plan.json"
    sealed.save(replace(everything(), spec=str(tmp_path / "mlflow.yaml")), str(path))
    return path


def answers(path: Path) -> bool:
    """Whether *path* is read as a plan; if not, the refusal is one line with a way out and exit 6."""
    sealed.is_sealed(str(path))
    seal = None
    with contextlib.suppress(errors.PlanStale):
        seal = sealed.read(str(path))
    if seal is None:
        with pytest.raises(errors.PlanStale) as refused:
            sealed.read(str(path))
        assert refused.value.message.isprintable()
        assert refused.value.way_out
        return False
    sealed.state_of_spec(seal)
    shown = text.render(seal.plan) + markdown.render(seal.plan)
    assert all(line.isprintable() for line in shown.split("\n"))
    shown.encode()
    return True


def resealed(body: dict[str, Any]) -> bytes:
    """A plan file whose seal fits, whatever is in it."""
    body = {key: value for key, value in body.items() if key != "seal"}
    return json.dumps({**body, "seal": sealed.seal_of(body)}).encode()


@QUICK
@given(st.binary(max_size=200))
def test_any_bytes_are_answered(tmp_path: Path, data: bytes) -> None:
    """Noise is no plan."""
    (tmp_path / "x").write_bytes(data)
    assert not answers(tmp_path / "x")


@QUICK
@given(ANY_JSON)
def test_any_json_is_answered(tmp_path: Path, value: Any) -> None:
    """Neither is any JSON."""
    (tmp_path / "x").write_text(json.dumps(value), encoding="utf-8")
    assert not answers(tmp_path / "x")


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs += cast("dict[str, Any]", value).items()
    elif isinstance(value, list):
        pairs += enumerate(cast("list[Any]", value))
    return [path, *(deeper for key, one in pairs for deeper in _paths(one, (*path, key)))]


@QUICK
@given(st.data())
def test_a_plan_with_anything_in_any_place_is_answered(good: Path, data: st.DataObject) -> None:
    """Sealed anew, so that all of it is looked at: replaced, taken out or added."""
    body = json.loads(good.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(_paths(body)[1:]))
        around: Any = body
        for key in path[:-1]:
            around = around[key]
        way = data.draw(st.sampled_from(["replace", "take out", "add"]))
        if way == "take out":
            del around[path[-1]]
        elif way == "add" and isinstance(around, dict):
            around[data.draw(st.text(max_size=5))] = data.draw(ANY_JSON)
        else:
            around[path[-1]] = data.draw(ANY_JSON)
        if not _paths(body)[1:]:
            break
    hostile = good.with_name("hostile.json")
    hostile.write_bytes(resealed(body))
    answers(hostile)


@QUICK
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_one_byte_changed_is_refused(good: Path, at: int, byte: int) -> None:
    """Anywhere, unless it is the white space between."""
    data = bytearray(good.read_bytes())
    at %= len(data)
    same = json.loads(bytes(data))
    data[at] = byte
    changed = good.with_name("changed.json")
    changed.write_bytes(data)
    try:
        equal = json.loads(bytes(data)) == same
    except ValueError:
        equal = False
    assert answers(changed) == equal


@QUICK
@given(st.integers(0, 10_000))
def test_a_plan_cut_anywhere_is_refused(good: Path, kept: int) -> None:
    """A disk may be full after any byte."""
    data = good.read_bytes()
    cut = good.with_name("cut.json")
    cut.write_bytes(data[: kept % len(data)])
    assert not answers(cut)


def _plain(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


KIND = json.dumps(sealed.KIND).encode()
HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (_plain(b""), "not all of one"),
    "missing": (lambda _path: None, "No such file"),
    "a folder": (Path.mkdir, "not a file"),
    "a pipe": (os.mkfifo, "not a file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "not a file"),
    "a circle": (lambda path: path.symlink_to(path), "symbolic links"),
    "a link to nothing": (lambda path: path.symlink_to("nothing"), "No such file"),
    "nested": (_plain(b"[" * 100_000 + b"]" * 100_000), "nested"),
    "nested a little": (_plain(b"[" * 500 + b"]" * 500), "nested"),
    "nested in place": (_plain(b'{"kind":' + KIND + b',"plan":' + b'{"a":' * 400 + b"1" + b"}" * 401), "nested"),
    "many": (_plain(b'{"kind":' + KIND + b',"plan":[' + b"[]," * 2_000_000 + b"1]}"), "more than 500000"),
    "large": (_plain(b" " * (sealed.LIMIT + 1)), "too large"),
    "a key twice": (_plain(b'{"kind":' + KIND + b',"kind":' + KIND + b"}"), "one key twice"),
    "NaN": (_plain(b'{"kind":' + KIND + b',"plan":NaN}'), "NaN"),
    "infinite": (_plain(b'{"kind":' + KIND + b',"plan":1e999}'), "without end"),
    "a long number": (_plain(b'{"kind":' + KIND + b',"plan":' + b"9" * 5_000_000 + b"}"), "digits"),
    "not UTF-8": (_plain(b'{"kind":' + KIND + b',"plan":"\xff"}'), "not UTF-8"),
    "UTF-16": (_plain('{"kind": 1}'.encode("utf-16")), "not UTF-8"),
    "a mark": (_plain(b"\xef\xbb\xbf{}"), "BOM"),
    "two": (_plain(b"{}{}"), "Extra data"),
    "of another tool": (_plain(b'{"format_version": "1.2"}'), "does not say"),
    "only its kind": (_plain(b'{"kind":' + KIND + b"}"), "changed after it was sealed"),
}  # fmt: skip


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("make", "said"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_plan_is_refused_by_name_within_bounds(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    """Each with its own words; nothing is waited for, and no more than some memory is taken."""
    path = tmp_path / "plan.json"
    make(path)
    tracemalloc.start()
    try:
        assert not answers(path)
        assert tracemalloc.get_traced_memory()[1] < 12 * sealed.LIMIT
    finally:
        tracemalloc.stop()
    with pytest.raises(errors.PlanStale, match=said):
        sealed.read(str(path))


OUTER: list[tuple[str, Any, str]] = [
    ("format", None, "another version"),
    ("format", 1, "another version"),
    ("format", 2.0, "another version"),
    ("format", True, "another version"),
    ("format", "2", "another version"),
    ("spec", 7, "shape"),
    ("spec", "a\x1b[2Jb", "shape"),
    ("spec", "a\0b", "shape"),
    ("beside", "\n", "shape"),
    ("endpoint", None, "shape"),
    ("plan", None, "no plan"),
    ("plan", [], "no plan"),
    ("plan", {"fingerprint": "x"}, "shape"),
    ("extra", 1, "shape"),
]


@pytest.mark.parametrize(("key", "value", "said"), OUTER)
def test_what_is_sealed_and_wrong_is_refused(good: Path, key: str, value: Any, said: str) -> None:
    """The seal fits, the content does not."""
    good.write_bytes(resealed({**json.loads(good.read_bytes()), key: value}))
    assert not answers(good)
    with pytest.raises(errors.PlanStale, match=said):
        sealed.read(str(good))


@pytest.mark.parametrize(
    "spec", ["/etc/passwd", "/dev/zero", "..", "", "x" * 5000, "/proc/self/mem", "~root"]
)
def test_a_spec_that_lies_elsewhere_is_not_the_spec(good: Path, spec: str) -> None:
    """A plan may name any file; that one is not what the plan was made from."""
    body = json.loads(good.read_bytes())
    good.write_bytes(resealed({**body, "spec": spec, "beside": spec}))
    assert sealed.state_of_spec(sealed.read(str(good))) != sealed.SAME


def test_nothing_in_a_plan_reaches_the_terminal_but_text(good: Path) -> None:
    """Escape sequences and line ends in names and sentences are shown as such."""
    body = json.loads(good.read_bytes())
    body["plan"]["notes"] = ["fine\x1b[2J\nPlan: 0 to create", "\u202egnp.exe"]
    body["plan"]["deployment"] = "a\rb"
    good.write_bytes(resealed(body))
    assert answers(good)
    shown = text.render(sealed.read(str(good)).plan)
    assert "fine\\u001b[2J\\nPlan: 0" in shown
    assert "a\\rb in project" in shown
