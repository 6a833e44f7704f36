"""How this Google Cloud behaves today: how long work takes, what fails, what is forbidden, who calls.

One document says it all; a sandbox starts with an empty one: everything at once, nothing in the way.

    realistic: 60                       operations and propagation last as long as on Google Cloud, divided by this
    operations: {sqladmin.instances.insert: 5, "run.*": 1.5}      seconds by method pattern; wins over realistic
    latency: 0.1                        seconds added to every answer
    faults: [{method: run.projects.locations.services.patch, fault: "503", times: 2, skip: 1}]
    quotas: [{method: "run.*", requests: 3, seconds: 60}]
    limits: {GLOBAL_INTERNAL_ADDRESSES: 1}   how much a project may have of what Compute Engine counts
    organization_policies: [sql.restrictPublicIp]
    propagation: {services: 10, accounts: 60, policies: 7}        seconds until a change is seen everywhere
    caller: user:reviewer@sandbox.example                         who calls without a token; else the operator

A method pattern is matched (as a file name is by a shell) against "API.METHOD_ID" of Google's discovery documents.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Final, cast

from reconciler.sandbox.store import Store
from reconciler.sandbox.weather import constraints, durations, limits

BEFORE: Final = ("429", "500", "502", "503", "reset-before", "hang")
"""Faults in whose place nothing is carried out."""
AFTER: Final = "reset-after"
STALE: Final = "stale"
OPERATION_ERROR: Final = "operation-error"
FAULTS: Final = (*BEFORE, AFTER, STALE, OPERATION_ERROR)
_SECONDS: Final[Mapping[str, Any]] = {"type": "number", "minimum": 0}
_COUNT: Final[Mapping[str, Any]] = {"type": "integer", "minimum": 0}


def _keys(required: tuple[str, ...] = (), **properties: Mapping[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**whole, "required": list(required)} if required else whole


SCHEMA: Final[Mapping[str, Any]] = _keys(
    realistic=_SECONDS,
    operations={"type": "object", "additionalProperties": _SECONDS},
    latency={"type": "number", "minimum": 0, "maximum": 60},
    faults={
        "type": "array",
        "items": _keys(
            ("method", "fault"),
            method={"type": "string"},
            fault={"enum": FAULTS},
            times={"type": "integer", "minimum": 1},
            skip=_COUNT,
        ),
    },
    quotas={
        "type": "array",
        "items": _keys(
            ("method", "requests"), method={"type": "string"}, requests=_COUNT, seconds={"type": "number"}
        ),
    },
    limits={
        "type": "object",
        "properties": dict.fromkeys(limits.NAMES, _COUNT),
        "additionalProperties": False,
    },
    organization_policies={"type": "array", "items": {"enum": constraints.ALL}},
    propagation=_keys(services=_SECONDS, accounts=_SECONDS, policies=_SECONDS, names=_SECONDS),
    caller={"type": "string", "pattern": "^(user|serviceAccount|group):.+@.+$|^anonymous$"},
)
"""What a document may hold (JSON Schema 2020-12)."""
KIND: Final = "conditions"


class Unusable(ValueError):
    """A document is no conditions document; *findings* says why, each with the place of its key."""

    def __init__(self, findings: list[str]) -> None:
        super().__init__("; ".join(findings))
        self.findings = findings


@dataclass
class _Account:
    """What became of one fault of the document."""

    spec: Mapping[str, Any]
    left: int
    skip: int
    at: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Exceeded:
    """A quota that is used up: *requests* within *seconds* for "API.METHOD_ID" patterns *method*."""

    method: str
    requests: int
    seconds: float


class Conditions:
    """The conditions of one sandbox; survive a restart, with what was consumed of the faults begun anew."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._begin(store.get(KIND, "") or {})

    def replace(self, document: Mapping[str, Any]) -> None:
        """Behave like *document* from now on; faults and quotas are counted anew. Raises Unusable."""
        if findings := _findings(document):
            raise Unusable(findings)
        with self._lock:
            self._store.put(KIND, "", dict(document))
            self._begin(document)

    def show(self) -> dict[str, Any]:
        """The document, each fault with "fired" (how often) and "at" (the requests that it met)."""
        with self._lock:
            faults = [{**one.spec, "fired": len(one.at), "at": list(one.at)} for one in self._faults]
        return {**self._document, **({"faults": faults} if faults else {})}

    def _begin(self, document: Mapping[str, Any]) -> None:
        self._document = dict(document)
        self._faults = [
            _Account(fault, int(fault.get("times", 1)), int(fault.get("skip", 0)))
            for fault in cast("list[Mapping[str, Any]]", document.get("faults", []))
        ]
        self._used: dict[tuple[int, str], deque[float]] = {}

    @property
    def latency(self) -> float:
        """Seconds that every answer takes longer."""
        return float(self._document.get("latency", 0))

    @property
    def caller(self) -> str:
        """The member who calls without a token; "" for the operator."""
        return str(self._document.get("caller", ""))

    @property
    def realistic(self) -> float:
        """How many times faster than on Google Cloud work goes; 0 where it takes no time."""
        return float(self._document.get("realistic", 0))

    def forbids(self, constraint: str) -> bool:
        """Whether the organisation enforces the policy constraint ("sql.restrictPublicIp")."""
        return constraint in self._document.get("organization_policies", ())

    def limit(self, metric: str, default: float) -> float:
        """How much of *metric* ("NETWORKS") a project may have."""
        return float(cast("Mapping[str, float]", self._document.get("limits", {})).get(metric, default))

    def propagation(self, of: str) -> float:
        """Seconds until changed "services", "accounts" or "policies", or freed "names", are seen everywhere."""
        chosen = cast("Mapping[str, float]", self._document.get("propagation", {})).get(of)
        if chosen is not None:
            return float(chosen)
        return durations.PROPAGATION[of] / self.realistic if self.realistic else 0.0

    def seconds(self, method: str) -> float:
        """How long an operation takes that "API.METHOD_ID" starts."""
        chosen = cast("Mapping[str, float]", self._document.get("operations", {}))
        for pattern, seconds in chosen.items():
            if fnmatchcase(method, pattern):
                return float(seconds)
        return durations.of(method, durations.OPERATIONS) / self.realistic if self.realistic else 0.0

    @property
    def stale(self) -> bool:
        """Whether a stale read may be asked for, so that answers have to be remembered."""
        return any(one.spec["fault"] == STALE for one in self._faults)

    def fault(self, method: str, among: tuple[str, ...], request: str) -> str:
        """The fault that *request* ("POST /v1/…", for the account) meets, consumed by it; "" for none."""
        with self._lock:
            for one in self._faults:
                fits = one.spec["fault"] in among and fnmatchcase(method, one.spec["method"])
                if not fits or not one.left:
                    continue
                if one.skip:
                    one.skip -= 1
                    continue
                one.left -= 1
                one.at.append(request)
                return str(one.spec["fault"])
        return ""

    def exceeded(self, method: str, consumer: str) -> Exceeded | None:
        """Count a request of *consumer* (a project); the quota that it exceeds, or None."""
        now = self._clock().timestamp()
        with self._lock:
            for number, quota in enumerate(cast("list[Mapping[str, Any]]", self._document.get("quotas", []))):
                if not fnmatchcase(method, quota["method"]):
                    continue
                span = float(quota.get("seconds", 60))
                used = self._used.setdefault((number, consumer), deque())
                while used and used[0] <= now - span:
                    used.popleft()
                if len(used) >= quota["requests"]:
                    return Exceeded(quota["method"], quota["requests"], span)
                used.append(now)
        return None


def _findings(document: Mapping[str, Any]) -> list[str]:
    # Imported here alone: a sandbox starts without it, and few are ever told how to behave.
    from jsonschema import Draft202012Validator

    found: list[str] = []
    for error in Draft202012Validator(SCHEMA).iter_errors(document):  # pyright: ignore[reportUnknownMemberType] -- jsonschema's own types are partial
        where = ".".join(str(part) for part in error.absolute_path) or "the document"
        found.append(f"{where}: {error.message}")
    return sorted(found)
