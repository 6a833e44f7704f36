"""Labels and field names: the two small rules that several APIs share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError

KEY: Final = re.compile(r"[^\W\d_A-Z][\w-]{0,62}")
VALUE: Final = re.compile(r"[\w-]{0,63}")
MOST: Final = 64


def check(labels: Mapping[str, Any]) -> None:
    """Raise ApiError 400 where a label breaks Google's rules: at most 64, lowercase, 63 characters."""
    if len(labels) > MOST:
        raise ApiError(400, f"A resource may have at most {MOST} labels.")
    for key, value in labels.items():
        if not KEY.fullmatch(key) or key != key.lower():
            raise ApiError(
                400, f"Invalid label key '{key}': lowercase letters, digits, _ and -, a letter first."
            )
        text = "" if value is None else str(value)
        if not VALUE.fullmatch(text) or text != text.lower():
            raise ApiError(
                400, f"Invalid label value '{text}': lowercase letters, digits, _ and -, 63 at most."
            )


def camel(name: str) -> str:
    """ "expireTime" for "expire_time": field masks come in both forms."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)
