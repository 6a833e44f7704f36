"""Fixtures that several folders of tests share: one sandbox with the quickstart deployed, made once."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.scenarios.command import Bench, sandbox

QUICKSTART = "specs/quickstart.yaml"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that nobody waits for it at the end where several work side by side."""
    long = {"scenarios", "permissions", "keys", "laws", "conformance", "image", "server"}
    items.sort(key=lambda item: long.isdisjoint(item.path.parts))


@pytest.fixture(scope="session", name="settled")
def _settled() -> Generator[Bench]:
    """A sandbox in which specs/quickstart.yaml is applied; a test that changes something puts it back."""
    with sandbox() as bench:
        applied = bench.run("apply", "--sandbox", "--yes", QUICKSTART, timeout=600)
        assert applied.code == 0, applied.said
        yield bench
