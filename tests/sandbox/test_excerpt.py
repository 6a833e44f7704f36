"""Reading a part of a large document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.sandbox.networking.compute_names import fingerprint, in_version, local_time, relative
from reconciler.sandbox.web import discovery, excerpt

WHOLE: dict[str, Any] = {
    "title": 'A "large" API: {with} [braces]',
    "resources": {
        "kept": {"methods": {"get": {"request": {"$ref": "A"}}}},
        "dropped": {"methods": {"get": {"response": {"$ref": "D"}}}},
    },
    "schemas": {
        "A": {"properties": {"b": {"$ref": "B"}, "many": {"items": {"$ref": "A"}}}},
        "B": {"properties": {"$ref": {"type": "string"}}},
        "D": {"type": "object"},
    },
    "revision": "1",
}


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_a_large_document_is_cut_to_what_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indent: int | None
) -> None:
    """The resources that were named, the schemas that they mention, and all that is plain."""
    monkeypatch.setattr(excerpt, "LARGE", 10)
    path = tmp_path / "document.json"
    path.write_text(json.dumps(WHOLE, indent=indent))
    assert excerpt.read(path, {"kept"}) == {
        "title": WHOLE["title"],
        "revision": "1",
        "resources": {"kept": WHOLE["resources"]["kept"]},
        "schemas": {"A": WHOLE["schemas"]["A"], "B": WHOLE["schemas"]["B"]},
    }


def test_a_small_document_is_read_whole(tmp_path: Path) -> None:
    """It is not worth the trouble."""
    path = tmp_path / "document.json"
    path.write_text(json.dumps(WHOLE))
    assert excerpt.read(path, set()) == WHOLE


def test_what_is_read_of_computes_document_is_what_stands_there() -> None:
    """Methods and schemas are Google's, word for word, and a tenth of the whole."""
    path = discovery.documents_folder() / "compute.v1.json"
    whole, part = json.loads(path.read_bytes()), excerpt.read(path, {"networks", "globalAddresses"})
    assert part["resources"] == {n: whole["resources"][n] for n in ("networks", "globalAddresses")}
    assert part["schemas"].items() <= whole["schemas"].items()
    assert {"Network", "Address", "Operation", "NetworkPeering"} <= set(part["schemas"])
    assert len(json.dumps(part)) * 10 < len(json.dumps(whole))


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        ("2026-03-08T09:59:59.999000+00:00", "2026-03-08T01:59:59.999-08:00"),
        ("2026-03-08T10:00:00+00:00", "2026-03-08T03:00:00.000-07:00"),
        ("2026-11-01T08:59:59+00:00", "2026-11-01T01:59:59.000-07:00"),
        ("2026-11-01T09:00:00+00:00", "2026-11-01T01:00:00.000-08:00"),
        ("2024-08-27T19:16:09.845000+00:00", "2024-08-27T12:16:09.845-07:00"),
        ("2026-01-01T00:00:00+01:00", "2025-12-31T15:00:00.000-08:00"),
    ],
)
def test_computes_clock_stands_in_california(moment: str, written: str) -> None:
    """With its summer, from the second Sunday of March to the first of November."""
    from datetime import datetime

    assert local_time(datetime.fromisoformat(moment)) == written


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "https://www.googleapis.com/compute/v1/projects/p/global/networks/n",
            "projects/p/global/networks/n",
        ),
        ("http://127.0.0.1:9470/compute/beta/projects/p/regions/r", "projects/p/regions/r"),
        ("projects/p/global/networks/n", "projects/p/global/networks/n"),
        ("https://elsewhere.example/x", ""),
    ],
)
def test_links_are_cut_to_names(text: str, name: str) -> None:
    """Whatever host and version they were written for."""
    assert relative(text) == name


def test_fingerprints_tell_contents_apart() -> None:
    """The same for the same, whatever the order of fields; eight bytes."""
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 1})
    assert len(fingerprint({})) == 12


def test_links_follow_the_version_that_is_asked() -> None:
    """Deep inside, and nothing else changes."""
    body = {"a": [{"selfLink": "https://www.googleapis.com/compute/v1/projects/p"}], "b": "v1"}
    assert in_version(body, "beta") == {
        "a": [{"selfLink": "https://www.googleapis.com/compute/beta/projects/p"}],
        "b": "v1",
    }
