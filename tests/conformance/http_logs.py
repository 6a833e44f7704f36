"""The Config Connector project's own HTTP logs, as rows: a clone of it is a folder of recordings.

The project (GoogleCloudPlatform/k8s-config-connector, Apache-2.0) keeps an `_http.log` beside each of its tests, under
pkg/test/resourcefixture/testdata. A log is a list of exchanges with a line `---` between them; an exchange is the
request (method and URL, headers, body) and the answer (status, headers, body), with an empty line between the parts.
What the project checks in is at times its own stand-in's answer; its history says which, a log alone does not.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import parse_qsl, unquote, urlsplit

NAMES: Final[Mapping[str, str]] = {"_http.log": "", "_http_old_controller.log": "--old-controller"}
"""The logs' names, and what a case is called in addition for the sake of each."""
_STATUS: Final = re.compile(r"^(\d{3}) [A-Z][A-Za-z -]*$", re.MULTILINE)
_FIRST: Final = re.compile(r"^([A-Z]+) (https://\S+)$", re.MULTILINE)

KINDS: Final[Sequence[tuple[str, str, str, str]]] = (
    ("sqladmin", r"/operations/[^/]+$", "cloudsql", "operations"),
    ("sqladmin", r"/instances/[^/]+/users$", "cloudsql", "users"),
    ("sqladmin", r"/instances/[^/]+/databases(/[^/]+)?$", "cloudsql", "databases"),
    ("sqladmin", r"/instances(/[^/]+)?$", "cloudsql", "instances"),
    ("compute", r"/(global|regions/[^/]+)/operations/[^/]+$", "compute", "operations"),
    ("compute", r"/global/networks(/[^/]+)*$", "compute", "networks"),
    ("compute", r"/subnetworks(/[^/]+)*$", "compute", "subnetworks"),
    ("compute", r"/(global|regions/[^/]+)/addresses(/[^/]+)*$", "compute", "addresses"),
    ("servicenetworking", r"/connections(/-)?$", "servicenetworking", "connections"),
    ("servicenetworking", r"/operations/[^/]+$", "servicenetworking", "operations"),
    ("iam", r"/serviceAccounts(/[^/]+)?$", "iam", "serviceAccounts"),
    ("cloudresourcemanager", r"^/v\d/projects/[^/]+:[gs]etIamPolicy$", "resourcemanager", "projectIam"),
    ("serviceusage", r"/services(/[^/]+)?(:batchEnable|:enable|:disable)?$", "serviceusage", "services"),
    ("serviceusage", r":generateServiceIdentity$", "serviceusage", "serviceIdentity"),
    ("serviceusage", r"/operations/[^/]+$", "serviceusage", "operations"),
    ("run", r"/operations/[^/]+$", "run", "operations"),
    ("run", r"/jobs(/[^/]+)?$", "run", "jobs"),
    ("run", r"^/v2/.*/services(/[^/]+)?$", "run", "services"),
    ("secretmanager", r"/secrets/[^/]+(:addVersion|/versions.*)$", "secretmanager", "versions"),
    ("secretmanager", r"/secrets(/[^/]+)?$", "secretmanager", "secrets"),
    ("storage", r"^/storage/v1/b/[^/]+/o.*$", "storage", "objects"),
    ("storage", r"^/storage/v1/b(/[^/]+)?$", "storage", "buckets"),
    ("monitoring", r"/alertPolicies(/[^/]+)?$", "monitoring", "alertPolicies"),
    ("monitoring", r"/notificationChannels(/[^/]+)?$", "monitoring", "notificationChannels"),
    ("vpcaccess", r"/connectors(/[^/]+)?$", "vpcaccess", "connectors"),
    ("artifactregistry", r"/repositories(/[^/]+)?$", "artifactregistry", "repositories"),
)  # fmt: skip
"""API, the end of the path, and what the rows are of; what stands nowhere here is not a thing that we use."""


@dataclass(frozen=True)
class _Exchange:
    method: str
    url: str
    sent: Any
    status: int
    answer: Any


def lines(folder: Path, unread: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """The rows of every log below *folder*, in the form of a recording's lines; *unread* hears what is no exchange."""
    for path in sorted(path for name in NAMES for path in folder.rglob(name)):
        found = list(_known(path, unread))
        if found:
            case = "--".join(path.relative_to(folder).parent.parts[-3:]) + NAMES[path.name]
            provenance = {"commit": "", "date": _day(path)}
            for seq, one, (service, kind) in found:
                head = {"service": service, "kind": kind, "case": case, "seq": seq, "provenance": provenance}
                yield {**head, **_row(one)}


def _known(path: Path, unread: Callable[[str], None]) -> Iterator[tuple[int, _Exchange, tuple[str, str]]]:
    """The exchanges about kinds that we know, numbered; not the polls, and not the reads that repeat."""
    before: set[str] = set()
    for seq, text in enumerate(re.split(r"^---$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)):
        if not text.strip():
            continue
        try:
            one = _exchange(text, path)
        except ValueError as error:
            unread(str(error))
            continue
        kind = _kind(one)
        if one.method != "GET":
            before.clear()
        repeated = one.method == "GET" and text.strip() in before
        before.add(text.strip())
        if kind is not None and not repeated and not (kind[1] == "operations" and _running(one.answer)):
            yield seq, one, kind


def _exchange(text: str, path: Path) -> _Exchange:
    text = text.strip() + "\n"
    first, status = _FIRST.match(text), _STATUS.search(text)
    if text.startswith("GRPC "):
        raise ValueError(f"{path} holds a gRPC call, and only HTTP is compared: {text.splitlines()[0][5:]}")
    if first is None or status is None:
        raise ValueError(f"{path} holds something that is no exchange: {text.strip()[:80]!r}")
    try:
        sent, answer = _body(text[first.end() : status.start()]), _body(text[status.end() :])
    except ValueError as error:
        raise ValueError(f"{path} holds a body that is no JSON, of {first[0]}: {error}") from error
    return _Exchange(first[1], first[2], sent, int(status[1]), answer)


def _body(part: str) -> Any:
    """The JSON after the headers; None where there is none, and where it is no JSON, such as a page of text."""
    _, _, content = part.partition("\n\n")
    content = content.strip()
    return json.loads(content) if content.startswith(("{", "[")) else None


def _kind(one: _Exchange) -> tuple[str, str] | None:
    parts = urlsplit(one.url)
    api = str(parts.netloc).partition(".")[0]
    for known, pattern, service, kind in KINDS:
        if api == known and re.search(pattern, str(parts.path)):
            return service, kind
    return None


def _running(answer: Any) -> bool:
    fields = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    return fields.get("status", "DONE") != "DONE" if "kind" in fields else not fields.get("done")


def _row(one: _Exchange) -> dict[str, Any]:
    parts = urlsplit(one.url)
    request = {
        "method": one.method,
        "url": one.url,
        "path": unquote(str(parts.path)),
        "query": dict(parse_qsl(str(parts.query), keep_blank_values=True)),
        "body": one.sent,
    }
    return {"request": request, "response": {"status": one.status, "body": one.answer}}


def _day(path: Path) -> str:
    """The day of the commit that wrote the log; "" outside of a clone."""
    command = ["git", "-C", str(path.parent), "log", "-1", "--format=%cs", "--", path.name]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.stdout.strip() if ended.returncode == 0 else ""
