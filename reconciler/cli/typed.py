"""Commands in what is said, as they have to be typed here."""

from __future__ import annotations

import re
import sys

_COMMANDS = re.compile(
    r"\bmlflow-reconcile (apply|plan(?! show)|adopt|destroy|lease (show|break))(?= )(?! --sandbox)"
)


def as_typed(text: str) -> str:
    """*text* with each command in it led to the sandbox where this one was told `--sandbox`."""
    return _COMMANDS.sub(r"\g<0> --sandbox", text) if "--sandbox" in sys.argv else text
