"""What a take takes for granted: things that were there before its first row, or that rows made which are not recorded.

Everything is made through the sandbox's own API, and named in the report. A thing is given only where a recorded answer
shows that it was there, no earlier row of the take made it, and the sandbox does not have it; it is made as the nearest
recorded answer shows it, else as plain as its API allows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler.sandbox.networking import networks
from tests.conformance import leavings, states, weather
from tests.conformance.cloud import Got, Sandbox
from tests.conformance.making import Recipe, addressed, mentioned
from tests.conformance.operations import is_operation, operation_path, settle
from tests.conformance.placeholders import Bindings
from tests.conformance.recordings import Row, fields_of

APIS: Final = (
    "cloudkms", "cloudresourcemanager", "compute", "iam", "monitoring", "run", "secretmanager", "servicenetworking",
    "sqladmin", "storage", "vpcaccess",
)  # fmt: skip

USED_BY: Final = re.compile(r"is already being used by '([^']+)'")
GONE: Final = re.compile(r"Service account (projects/[^ ]+) does not exist")


@dataclass
class Givens:
    """The preconditions of one take."""

    sandbox: Sandbox
    bindings: Bindings
    resolved: Callable[[Any, int], Any]
    """Puts what is known in place of the placeholders of row number so-and-so."""
    written: set[str] = field(default_factory=set[str])
    """Paths of what rows of the take made or changed, and of what was given."""
    made: list[str] = field(default_factory=list[str])

    @property
    def project(self) -> str:
        """The take's project."""
        return self.bindings.project

    @property
    def number(self) -> str:
        """Its number."""
        return self.bindings.number

    def begin(self) -> None:
        """Enable the APIs: every project that was recorded had them."""
        self._enable(self.project)

    def end(self) -> None:
        """Stop what the take left running: databases take memory."""
        host, path = "sqladmin.googleapis.com", f"/sql/v1beta4/projects/{self.project}/instances"
        found = self.sandbox.call("GET", host, path).body
        for item in fields_of(found).get("items", []):
            self.ask("DELETE", host, f"{path}/{item['name']}")

    def before(self, index: int, path: str, query: Mapping[str, str], body: Any) -> list[str]:
        """Make what row *index* takes for granted; what was made, in words."""
        row = self.bindings.rows[index]
        self.made = []
        if row.method == "DELETE" and leavings.deleted(row):
            self._sweep(index, path)
        if row.status < 300:
            self._project_of(path)
            for match, recipe in addressed(row.host, path):
                self._give(row.host, match, recipe, index)
            self._mentions(index, query, body)
            self._state(index, path, query)
            self._operation(index)
        elif weather.refused_for_now(row):
            self._busy(index, path)
        elif (account := GONE.search(json.dumps(row.answer))) and self._plain(path) not in self.written:
            self.made += states.gone(self, f"/v1/{self.bindings.resolve(account[1], index)}")
        if row.method != "GET":
            self._wrote(path, query, fields_of(body))
        return self.made

    def ask(
        self, method: str, host: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> Got:
        """One request, and the end of the operation that it starts."""
        filled = {key: self.bindings.fill(value) for key, value in (query or {}).items()}
        got = self.sandbox.call(method, host, path, filled, body)
        started = fields_of(got.body)
        if method == "GET" or got.status != 200 or not is_operation(started):
            return got
        settle(self.sandbox, host, operation_path(path, started))
        return got

    def need(self, host: str, path: str) -> None:
        """Make the thing at *path* where it is missing."""
        for match, recipe in addressed(host, path):
            self._give(host, match, recipe, None)

    def first(self, name: str) -> bool:
        """Whether nothing asked for *name* before."""
        fresh = f"first {name}" not in self.written
        self.written.add(f"first {name}")
        return fresh

    def create_project(self, project: str) -> None:
        """Make a project where it is missing, with the APIs enabled."""
        if self.sandbox.world.projects.get(project) is None:
            self.sandbox.project(project)
            self._enable(project)

    def _enable(self, project: str) -> None:
        for api in APIS:
            path = f"/v1/projects/{project}/services/{api}.googleapis.com:enable"
            self.ask("POST", "serviceusage.googleapis.com", path, {})

    def _project_of(self, path: str) -> None:
        """A project that the authors left by its own name."""
        found = re.search(r"/projects/([a-z][a-z0-9-]{4,28}[a-z0-9])(?=[/:]|$)", path)
        if found:
            self.create_project(found[1])

    def _give(self, host: str, match: re.Match[str], recipe: Recipe, index: int | None) -> None:
        address = self._plain(match[0])
        if address in self.written:
            return
        self.written.add(address)
        if self.sandbox.call("GET", host, match[0]).status != 404:
            return
        making = recipe(host, match, self._shown(host, match[0], index or 0))
        self._named_in(json.dumps(making.body))
        got = self.ask(making.method, making.host, making.path, making.body, making.query)
        self.made.append(f"{match[0]}{states.refused(got)}")
        if making.path.endswith("/notificationChannels") and got.status == 200:
            # Monitoring numbers its resources itself.
            self.bindings.assigned[match["name"]] = str(fields_of(got.body)["name"]).rpartition("/")[2]

    def _mentions(self, index: int, query: Mapping[str, str], body: Any) -> None:
        self._named_in(json.dumps([body, dict(query)]))
        fields = fields_of(body)
        for name in fields.get("reservedPeeringRanges", ()):
            if f"addresses/{name}" not in "".join(self.written):
                states.need_range(self, fields["network"], name)
        states.need_connection(self, fields)
        states.need_key(self, fields_of(fields.get("diskEncryptionConfiguration")))
        if index >= 0 and "iam.gserviceaccount.com" in str(fields):
            states.accounts(self, json.dumps(fields))

    def _named_in(self, text: str) -> None:
        for host, path in mentioned(text):
            self.need(host, path)

    def _state(self, index: int, path: str, query: Mapping[str, str]) -> None:
        row = self.bindings.rows[index]
        state = states.shown_by(row, path)
        if state is None:
            return
        self.made += state(self, path, query, self.resolved(fields_of(row.answer), index))

    def _operation(self, index: int) -> None:
        """Start the operation that a row reads, where no row starts it: make or delete what it is about."""
        row = self.bindings.rows[index]
        answer = fields_of(row.answer)
        link = str(answer.get("targetLink", ""))
        kind = str(answer.get("operationType", "")).lower()
        if not link or not unstarted(self.bindings.rows, index):
            return
        path = re.sub(r"^https://[^/]+", "", self.resolved(link, index))
        for match, recipe in addressed(row.host, path)[-1:]:
            if kind == "delete":
                self._give(row.host, match, recipe, None)
                self._sweep(index, path)
                with self._held(path.removeprefix("/compute/v1/"), index):
                    got = self.ask("DELETE", row.host, path)
            elif kind in ("insert", "create"):
                making = recipe(row.host, match, {})
                self._named_in(json.dumps(making.body))
                got = self.ask(making.method, making.host, making.path, making.body, making.query)
            else:
                return
            name = str(fields_of(got.body).get("name", ""))
            self.bindings.operations[row.service] = name.rpartition("operations/")[2]
            self.made.append(f"{kind} of {path}{states.refused(got)}")

    def _sweep(self, index: int, path: str) -> None:
        """Rid a network that is deleted of what no row deletes."""
        later = leavings.requests(self.bindings.rows, self.resolved, index)
        self.made += leavings.sweep(self.ask, path, later)

    @contextmanager
    def _held(self, resource: str, index: int) -> Generator[None]:
        """Meanwhile something that is not emulated, such as a firewall rule, uses *resource*: the error names it."""
        user = USED_BY.search(json.dumps(self.bindings.rows[index].answer))
        if user is None:
            yield
            return
        name = self.bindings.resolve(user[1], index)
        networks.hold(self.sandbox.world, resource, name)
        yield
        networks.release(self.sandbox.world, resource, name)
        self.made.append(f"{name}, while {resource} was to be deleted")

    def _busy(self, index: int, path: str) -> None:
        """Ask for what the row asks once before: the first one is still at it when the row is refused for that."""
        row = self.bindings.rows[index]
        self.need(row.host, path)
        self.sandbox.call(row.method, row.host, path)
        self.made.append(f"{row.method} {path}, not done yet")

    def _wrote(self, path: str, query: Mapping[str, str], body: Mapping[str, Any]) -> None:
        """A row of the take changes something: from here on the sandbox is responsible for it."""
        plain = self._plain(path)
        account = body.get("accountId")
        email = f"{account}@{self.project}.iam.gserviceaccount.com" if account else ""
        name = body.get("name") or email or query.get("jobId") or query.get("secretId")
        self.written.add(f"{plain}/{name}" if name else plain)
        self.written.add(path)
        made, verb = f"{plain}/{name}" if name else plain, re.search(r"/set(\w)(\w*)$", plain)
        self.written |= {f"{field} of {made}" for field in body}
        if verb:
            self.written.add(f"{verb[1].lower()}{verb[2]} of {plain[: verb.start()]}")
        if path.endswith("/connections/-"):
            project, number = f"projects/{self.project}/", f"projects/{self.bindings.number}/"
            network = str(body.get("network"))
            self.written |= {f"connection of {network.replace(number, project)}", f"connection of {network}"}

    def _plain(self, path: str) -> str:
        """A path by which a thing is known: project ids for numbers, one version of each API."""
        path = path.replace(f"/projects/{self.bindings.number}/", f"/projects/{self.project}/")
        return re.sub(r"^(/sql|/compute)?/v\d\w*/", r"\1/", path)

    def _shown(self, host: str, path: str, index: int) -> Mapping[str, Any]:
        """The fields of a thing as the nearest row shows them, from row *index* on."""
        for at, row in enumerate(self.bindings.rows):
            shows = at >= index and row.host == host and row.method == "GET" and row.status == 200
            if shows and self._plain(self.resolved(row.path, at)) == self._plain(path):
                return self.resolved(fields_of(row.answer), at)
        return {}


def unstarted(rows: Sequence[Row], index: int) -> bool:
    """Whether row *index* reads an operation that no row before it started."""
    answer = fields_of(rows[index].answer)
    return "/operations/" in rows[index].path and not any(_started(row, answer) for row in rows[:index])


def _started(row: Row, operation: Mapping[str, Any]) -> bool:
    """Whether a row's recorded answer is the start of the operation."""
    answer = fields_of(row.answer)
    same = all(answer.get(key) == operation.get(key) for key in ("operationType", "targetLink"))
    return row.method != "GET" and "operationType" in answer and same
