"""What a sandbox's own code is, so that one that runs older code can be told from one that runs this."""

from __future__ import annotations

import hashlib
from pathlib import Path


def fingerprint() -> str:
    """The same text for the same modules; takes a few milliseconds."""
    top = Path(__file__).parent
    whole = hashlib.sha256()
    for module in sorted(top.rglob("*.py")):
        content = module.read_bytes()
        whole.update(f"{module.relative_to(top).as_posix()} {len(content)}\n".encode())
        whole.update(content)
    return whole.hexdigest()[:16]
