"""Labels and field names: the two small rules that several APIs share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError

KEY: Final = re.compile(r"[^\W\d_A-Z][\w-]{0,62}")
VALUE: Final = re.compile(r"[\w-]{0,63}")
MOST: Final = 64
MOST_BYTES: Final = 128


def check(labels: Mapping[str, Any]) -> None:
    """Raise ApiError 400 where a label breaks Google's rules: at most 64, lowercase, 63 characters."""
    if len(labels) > MOST:
        raise ApiError(400, f"A resource may have at most {MOST} labels.")
    for key, value in labels.items():
        if not is_key(key):
            raise ApiError(
                400, f"Invalid label key '{key}': lowercase letters, digits, _ and -, a letter first."
            )
        if not is_value(value):
            raise ApiError(
                400, f"Invalid label value '{value}': lowercase letters, digits, _ and -, 63 at most."
            )


def is_key(key: str) -> bool:
    """Whether *key* may name a label: lowercase letters (of any script), digits, _ and -, a letter first."""
    return KEY.fullmatch(key) is not None and key == key.lower() and len(key.encode()) <= MOST_BYTES


def is_value(value: Any) -> bool:
    """Whether *value* may be a label's."""
    text = "" if value is None else str(value)
    return VALUE.fullmatch(text) is not None and text == text.lower() and len(text.encode()) <= MOST_BYTES


def camel(name: str) -> str:
    """ "expireTime" for "expire_time": field masks come in both forms."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)
