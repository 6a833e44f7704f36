"""What the reconciler can send is what Google's documents describe, and the sandbox emulates all of it."""

from __future__ import annotations

import pytest

from tests.conformance import documents, schemas
from tests.conformance.schemas import Schemas
from tests.conformance.sendable import Call, calls
from tests.conformance.walk import ELSEWHERE, Walk, walk


@pytest.fixture(scope="module", name="found")
def _found() -> Schemas:
    return schemas.look()


def test_the_source_is_read(found: Schemas) -> None:
    """Calls through discovery, through Google's generated clients and through its storage library are all seen."""
    assert {
        Call("sqladmin", "v1", "instances.patch"),
        Call("run", "v2", "projects.locations.services.create"),
        Call("storage", "v1", "objects.delete"),
    } <= set(found.sendable)


def test_every_call_is_known_and_emulated(found: Schemas) -> None:
    """No method is called that Google's documents do not have, or that the sandbox could not witness."""
    assert (found.unknown, found.missing) == ([], [])


@pytest.fixture(scope="module", name="walked")
def _walked(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    return walk(tmp_path_factory.mktemp("walk"))


def test_nothing_else_is_sent(walked: Walk) -> None:
    """What apply, update and destroy sent was read off the source before, and Google's documents know all of it."""
    sent = {(line["api"], line["method_id"]) for line in walked.lines}
    assert sent <= {(call.api, call.method_id) for call in calls()}
    assert [line for line in walked.lines if line["status"] == 400 or line["status"] >= 500] == []


def test_what_is_not_walked_is_explained(walked: Walk) -> None:
    """Apply, update and destroy call every method but the few that have a reason."""
    assert {str(call) for call in walked.missed()} == set(ELSEWHERE)


def test_the_kept_text_is_of_the_documents_it_names() -> None:
    """Where the installed documents are those that the text was made of, the text says what they say."""
    kept = documents.SNAPSHOT.read_text(encoding="utf-8").splitlines()
    now = documents.lines(calls())
    revisions = [line for line in now if " revision " in line]
    same = {line.split()[0] for line in revisions if line in kept}
    assert same
    changed = [line for line in documents.changes(calls()) if line[1:].split()[0] in same]
    assert changed == [], "keep what they say now: python -m tests.conformance --rewrite-schemas"
