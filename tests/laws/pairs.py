"""Any two specs: apply A, then B, then A again; each ends with nothing left to do, and A is what A alone makes.

What is declared sticky may differ from a fresh deployment: `STICKY` lists it, with the reason.
"""

from __future__ import annotations

import itertools
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from hypothesis import Phase, given, seed, settings

from reconciler.apply import apply
from reconciler.change import Action
from reconciler.gcp.cloud import Cloud
from reconciler.model import Observed, Ref
from reconciler.pipeline import survey
from reconciler.plan import Plan
from reconciler.registry import BY_NAME
from reconciler.spec.load import load
from tests.builders import Diary
from tests.laws.any_specs import LENIENT, PROJECT, any_spec
from tests.sandbox.calls import new_project
from tests.scenarios.command import Bench, sandbox
from tests.standin import deploy

STICKY: Final[Mapping[str, str]] = {
    r"sqladmin\.instance \S+ settings\.dataDiskSizeGb": "a disk never shrinks",
    r"sqladmin\.instance \S+ settings\.backupConfiguration\.transactionLogRetentionDays": (
        "means nothing without point-in-time recovery, and is left alone then"
    ),
    r"serviceusage\.services \S+ .*": "an API that was enabled is never disabled: others may use it",
    r"cloudresourcemanager\.project_iam \S+ \S+ serviceAccount:service-NUMBER@.*": (
        "Google's own agents get their roles when their API is enabled"
    ),
    r"secretmanager\.secret\S* \S+-(login-password|admin-password|flask-key|webhook-key|gateway-passphrase) .*": (
        "a secret that one of the specs wanted stays, with its value: it is data"
    ),
    r"secretmanager\.version \S+ .*": "a secret keeps the version that it has",
    r"sqladmin\.database \S+/databases/mlflow_auth .*": "the database of users stays when the mode changes: it is data",
    r"run\.service_iam \S+ roles/run\.invoker (?!allUsers)\S+": (
        "nobody loses a role by leaving the spec, unless auth.exclusive says so: others may have granted it"
    ),
    r"\S+ \S+ (settings\.userL|l)abels\.\S+": (
        "a label that left the spec cannot be told from one that somebody else has set"
    ),
    r"run\.migration .*": "which execution was the last, and what for, is history",
    r"run\.service \S+ template\.revision": "how many revisions there have been is history",
    r"\S+ \S+ .*(etag|generation|uid)": "counts writes",
}
"""What of a deployment may depend on what it was before, as patterns of "KIND NAME FIELD"."""
_STICKY = re.compile("|".join(f"(?:{pattern})" for pattern in STICKY))
_CHANCE = ((re.compile(r"\b\d{9,}\b"), "NUMBER"), (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"))


def difference(first: Path, second: Path) -> list[str]:
    """What is wrong after A, B, A, one line each: what was left to do, and where A is not what A alone makes."""
    wrong: list[str] = []
    with sandbox() as bench:
        _prepare(bench)
        for turn, spec in enumerate((first, second, first)):
            left = _applied(bench, spec)
            wrong += [f"turn {turn + 1}: {line}" for line in left]
        walked = _found(_plan(bench, first))
    with sandbox() as bench:
        _prepare(bench)
        wrong += [f"alone: {line}" for line in _applied(bench, first)]
        alone = _found(_plan(bench, first))
    names = sorted(walked.keys() | alone.keys())
    unlike = [
        f"{name}: {alone.get(name)} alone, {walked.get(name)} here"
        for name in names
        if walked.get(name) != alone.get(name)
    ]
    return wrong + [line for line in unlike if not _STICKY.match(line.partition(": ")[0])]


def _prepare(bench: Bench) -> None:
    new_project(int(bench.endpoint.rpartition(":")[2]), project=PROJECT)


def _plan(bench: Bench, spec: Path) -> Plan:
    deployment = load(str(spec))
    return survey(Cloud(deployment.project, bench.endpoint), deployment)


def _applied(bench: Bench, spec: Path) -> list[str]:
    """Apply *spec*; what is still to be done then."""
    deployment = load(str(spec))
    cloud = Cloud(deployment.project, bench.endpoint)
    apply(cloud, survey(cloud, deployment), BY_NAME, Diary(), {})
    return [
        f"{change.action} {change.ref.address} {[(f.field, f.old, f.new) for f in change.fields]}"
        for change in _plan(bench, spec).changes
        if change.action is not Action.KEEP
    ]


def _found(plan: Plan) -> dict[str, Any]:
    """Every field that was read of every resource, as "KIND NAME FIELD"; the field "" says that it is there."""
    found: dict[str, Any] = {}
    for change in plan.changes:
        if change.observed is not None:
            found |= dict(_fields(change.ref, change.observed))
    return found


def _fields(ref: Ref, observed: Observed) -> Iterable[tuple[str, Any]]:
    name = f"{ref.kind} {_plain(ref.name)}"
    yield f"{name} ", True
    for field, value in observed.body.items():
        yield f"{name} {_plain(field)}", _plain(value) if isinstance(value, str) else value


def _plain(text: str) -> str:
    """*text* without what differs from one project to the next."""
    for pattern, word in _CHANCE:
        text = pattern.sub(word, text)
    return text


def search(count: int, seed_of_draw: int, told: Callable[[str], None]) -> int:
    """Try *count* drawn pairs, telling of each; how many were counter-examples."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder, deploy.standing_in():

        @seed(seed_of_draw)
        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=LENIENT,
        )
        @given(any_spec(Path(folder)), any_spec(Path(folder)))
        def pair(first: Path, second: Path) -> None:
            nonlocal wrong
            found = difference(first, second)
            wrong += bool(found)
            told(
                "converges"
                if not found
                else "\n".join((f"COUNTER-EXAMPLE {first.read_text()}", second.read_text(), *found))
            )

        pair()
    return wrong


def main() -> int:
    """`python -m tests.laws.pairs [COUNT [SEED]]`: 1 where a counter-example was found."""
    given_numbers = [int(word) for word in sys.argv[1:]]
    count, begin = given_numbers + [20, 1][len(given_numbers) :]
    tried = itertools.count(1)

    def told(line: str) -> None:
        print(f"pair {next(tried)} of {count}: {line}", flush=True)

    wrong = search(count, begin, told)
    print(f"any two specs: {count} pairs, {wrong} counter-examples")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
