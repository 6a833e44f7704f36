"""JSON from outside: kept whole or refused with its reason."""

from __future__ import annotations

import pytest

from reconciler.sandbox.json_text import DEEPEST, parsed


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[", b"{}{}", b"\xff", b"NaN", b"-Infinity", b'{"a":1e999}', b'"\\ud800"', b"9" * 5000,
        b"[" * 100_000, b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_a_value_error(raw: bytes) -> None:
    """The error that everybody who reads a body expects."""
    with pytest.raises(ValueError, match=r"."):
        parsed(raw)


@pytest.mark.parametrize(
    "text", ['{"a": [1, 2.5, "\\ud83d\\ude00", null]}', "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)]
)
def test_what_can_is_read(text: str) -> None:
    """A pair of surrogates is one character; deep is not too deep."""
    assert parsed(text) is not None
    assert parsed(text.encode()) == parsed(text)
