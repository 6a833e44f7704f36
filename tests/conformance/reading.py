"""The other way round: the reconciler reads what the real APIs answered of a resource, and finds what was sent.

For each recorded creation of a kind of ours, the request is served as if it were the answer, and then the first
recorded read is. What `observe` makes of both must agree in every field that the request set: a server's spelling,
casing, unit or default would otherwise show as a difference for ever.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from reconciler.gcp.cloud import Cloud
from reconciler.model import Json, Ref
from reconciler.registry import BY_NAME
from reconciler.sandbox.web.wire import Listener
from reconciler.sandbox.world import Visit
from tests.conformance.recordings import Row, Take, fields_of

PROJECT, NUMBER = "acme-ml", "123456789012"
PLAIN: Final = {"projectId": PROJECT, "projectNumber": NUMBER, "uniqueId": "u1", "jobID": "the-job"}


@dataclass(frozen=True)
class Reading:
    """How one recorded kind is read: *kind* of ours, and what its creation says as if it were an answer."""

    kind: str
    ref: Callable[[Mapping[str, Any]], str]
    """The full name, from the first recorded read."""
    said: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict


def _bucket(sent: Mapping[str, Any]) -> Mapping[str, Any]:
    # We send a location as Cloud Storage answers it: in capitals. Under Autoclass the class is Google's to choose,
    # and what was asked for is the class where objects end (storagebucketautoclassnonstandard).
    said = {**sent, "location": str(sent.get("location", "US")).upper()}
    if fields_of(sent.get("autoclass", {})).get("enabled"):
        said["storageClass"] = "STANDARD"
    return said


READINGS: Final[Mapping[str, Reading]] = {
    "storage buckets": Reading("storage.bucket", lambda answer: answer["name"], _bucket),
    "secretmanager secrets": Reading("secretmanager.secret", lambda answer: answer["name"]),
    "cloudsql instances": Reading(
        "sqladmin.instance", lambda answer: f"projects/{PROJECT}/instances/{answer['name']}"
    ),
    "iam serviceAccounts": Reading(
        "iam.service_account", lambda answer: answer["name"], lambda sent: fields_of(sent["serviceAccount"])
    ),
    "run jobs": Reading("run.job", lambda answer: answer["name"]),
}


STRIPPED: Final = {
    "settings.ipConfiguration.authorizedNetworks": "accepted and dropped in every recording, by a policy of the "
    "organisation that recorded them; a network that anybody may connect from is never what we send",
}
"""Fields that a recorded server did not keep, each with the reason."""


@dataclass(frozen=True)
class ReadBack:
    """One resource that was read: how many fields its request set, and those that came back as something else."""

    row: Row
    compared: int
    different: Sequence[str]


def read_back(takes: Sequence[Take]) -> Iterator[ReadBack]:
    """Every recorded creation of a kind of ours that is followed by a read."""
    for take in takes:
        for created, answer in _made_and_read(take):
            yield _compared(created, READINGS[created.api], _filled(created.body), _filled(answer))


def _made_and_read(take: Take) -> Iterator[tuple[Row, Mapping[str, Any]]]:
    for index, row in enumerate(take.rows):
        if (
            row.method != "POST"
            or row.status != 200
            or row.api not in READINGS
            or ":" in row.path.rpartition("/")[2]
        ):
            continue
        for later in take.rows[index + 1 :]:
            if later.api != row.api or later.method == "POST":
                continue
            if later.method == "GET" and later.status == 200 and "items" not in fields_of(later.answer):
                yield row, fields_of(later.answer)
            break


def _filled(value: Any) -> dict[str, Any]:
    text = json.dumps(value)
    for name, plain in PLAIN.items():
        text = text.replace(f"${{{name}}}", plain)
    return json.loads(text)


def _compared(row: Row, reading: Reading, sent: Mapping[str, Any], answer: Mapping[str, Any]) -> ReadBack:
    ref = Ref(reading.kind, reading.ref(answer))
    nothing = _observed(ref, {"name": answer["name"]})
    said = _observed(ref, {**reading.said(sent), "name": answer["name"]})
    told = _observed(ref, answer)
    asked = {field: value for field, value in said.items() if nothing.get(field) != value}
    different = [
        f"{field}: sent {value!r}, read {told.get(field)!r}"
        for field, value in asked.items()
        if told.get(field) != value and field not in STRIPPED
    ]
    return ReadBack(row, len(asked), different)


def _observed(ref: Ref, answer: Mapping[str, Any]) -> Mapping[str, Json]:
    with _telling(answer) as endpoint:
        observed = BY_NAME[ref.kind].observe(Cloud(PROJECT, endpoint, NUMBER), ref)
    assert observed is not None, f"{ref} was not read at all"
    return observed.body


@contextmanager
def _telling(answer: Mapping[str, Any]) -> Generator[str]:
    """An endpoint that answers every read with *answer*."""
    content = json.dumps(answer).encode()

    def accept(visit: Visit) -> None:
        visit.respond(200, [("Content-Type", "application/json")], content)

    listener = Listener(0, accept)
    try:
        yield f"http://127.0.0.1:{listener.port}"
    finally:
        listener.close()
