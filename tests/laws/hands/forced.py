"""Which requests of ours have to say on which version they write, and whether they did."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from tests.laws.hands.hand import dug
from tests.relay import Passed


def _in_body(path: str) -> Callable[[str, Any], bool]:
    return lambda _, body: bool(dug(body, path))


def _in_query(word: str) -> Callable[[str, Any], bool]:
    return lambda path, _: f"{word}=" in path


CONDITIONS: Final = (
    ("POST", r":setIamPolicy", _in_body("policy.etag")),
    ("PUT", r"^/storage/v1/b/[^/]+/iam", _in_body("etag")),
    ("PATCH", r"^/storage/v1/b/[^/]+(\?|$)", _in_query("ifMetagenerationMatch")),
    ("PATCH", r"^/v2/.*/(services|jobs)/", _in_body("etag")),
    ("PATCH", r"/instances/[^/]+$", _in_body("settings.settingsVersion")),
    ("PATCH", r"^/v1/projects/[^/]+/secrets/", _in_body("etag")),
    ("PATCH", r"/serviceAccounts/", _in_body("serviceAccount.etag")),
    ("PATCH", r"^/v1/billingAccounts/", _in_body("etag")),
    ("POST", r"/addresses/[^/]+/setLabels", _in_body("labelFingerprint")),
)
"""Method, pattern of the path, and where the version is: of every write that changes what others may change, too.

Not here, because their APIs have none: repositories, schedules, connectors, peerings, and all of Cloud Monitoring.
"""


def forced(passed: Iterable[Passed]) -> Iterator[str]:
    """The writes that did not say on which version."""
    for request in passed:
        for method, pattern, said in CONDITIONS:
            applies = request.method == method and re.search(pattern, request.path)
            if applies and not said(request.path, _json(request.sent)):
                yield f"forced: {method} {request.path} {request.sent[:200]!r}"


def conditional(passed: Iterable[Passed]) -> int:
    """How many writes had to say it."""
    return sum(
        request.method == method and re.search(pattern, request.path) is not None
        for request in passed
        for method, pattern, _ in CONDITIONS
    )


def _json(sent: bytes) -> Any:
    try:
        return json.loads(sent)
    except ValueError:
        return None
