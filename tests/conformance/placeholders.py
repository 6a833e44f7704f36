"""What the authors' placeholders stand for in this replay.

`${projectId}`, `${projectNumber}` and `${uniqueId}` are fixed per take. `${operationID}` is the operation that the take
started last. The others (`${networkID}`, `${jobID}`, `${alertPolicyID}` …) hide a resource's name or number: the name
is read where the recording shows it in plain text (a link, an error's message), and what a server assigned is learned
from the real answer, at the place where the recorded one has the placeholder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.conformance.recordings import Row, fields_of

FREE: Final = re.compile(r"\$\{(\w+)\}")
NAMED: Final = frozenset(
    {"networkID", "subnetworkID", "addressID", "jobID", "alertPolicyID", "notificationChannelID"}
)
"""Placeholders of things that a take makes or is given."""
COLLECTIONS: Final[Mapping[str, str]] = {"networkID": "networks", "subnetworkID": "subnetworks"}
"""What a placeholder names where it stands alone, as a VPC connector's request names its network."""
NUMBER: Final = r"\d+"
ANYTHING: Final = r"[^/\s]+"
ORGANIZATION: Final = "123456789012"


@dataclass
class Bindings:
    """The values of one take."""

    rows: Sequence[Row]
    project: str
    number: str
    unique: str
    operations: dict[str, str] = field(default_factory=dict[str, str])
    """By service: the id of the operation that was started last."""
    learned: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """By placeholder: what the sandbox assigned, the newest last."""
    assigned: dict[str, str] = field(default_factory=dict[str, str])
    """The numbers that the sandbox gave to things that were made under a name of ours."""

    def fill(self, text: str) -> str:
        """*text* with what is fixed; other placeholders stay."""
        fixed = {
            "projectId": self.project,
            "projectNumber": self.number,
            "uniqueId": self.unique,
            "organizationID": ORGANIZATION,
        }
        return FREE.sub(lambda found: fixed.get(found[1], found[0]), text)

    def renumbered(self, value: Any) -> Any:
        """*value* with what the sandbox assigned in place of our own names."""
        text = json.dumps(value)
        for ours, theirs in self.assigned.items():
            text = text.replace(ours, theirs)
        return json.loads(text)

    def resolve(self, text: str, index: int) -> str:
        """*text* of the request of row *index*, with every placeholder replaced."""
        row = self.rows[index]

        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name == "operationID":
                return self.operations.get(row.service, "none-was-started")
            before = re.search(r"(\w+)/$", found.string[: found.start()])
            collection = before[1] if before else ""
            if not collection and row.method == "POST" and text == fields_of(row.body).get("name"):
                collection = row.path.rpartition("/")[2]
            return self._name(name, collection or COLLECTIONS.get(name, ""), index)

        return self.fill(FREE.sub(value, self.fill(text)))

    def pattern(self, text: str, index: int) -> str:
        """What may stand in an answer of row *index* where *text* was recorded: a regular expression.

        An operation is the one that was started last, and a thing is one that the take knows, by name or by number;
        what is left is of a name that the take cannot know.
        """
        filled, parts, end = self.fill(text), list[str](), 0
        for found in FREE.finditer(filled):
            parts += [re.escape(filled[end : found.start()]), self._stand_in(filled, found, index)]
            end = found.end()
        return "".join(parts) + re.escape(filled[end:])

    def _stand_in(self, text: str, found: re.Match[str], index: int) -> str:
        placeholder, row = found[1], self.rows[index]
        if placeholder == "operationID":
            return re.escape(self.operations.get(row.service, ""))
        if placeholder not in NAMED:
            return ANYTHING
        before = re.search(r"(\w+)/$", text[: found.start()])
        collections = [before[1]] if before else ["", *row.path.split("/")]
        names = {self.fill(self._name(placeholder, collection, index)) for collection in collections}
        for key, known in self.learned.items():
            names.update(known if key.endswith(placeholder) else ())
        return "|".join(["(?:" + NUMBER, *sorted(map(re.escape, names))]) + ")"

    def learn(self, row: Row, answer: Any) -> None:
        """Remember what the sandbox assigned where the recorded answer has a placeholder in `name`."""
        name = str(fields_of(row.answer).get("name", ""))
        real = str(fields_of(answer).get("name", ""))
        found = re.search(r"\$\{(\w+)\}$", name)
        if found is None or found[1] in ("operationID", "projectId", "uniqueId", "projectNumber"):
            return
        known = self.learned.setdefault(_key(row.path.split("/")[-2], found[1]), [])
        if (last := real.rpartition("/")[2]) not in known:
            known.append(last)

    def forget(self, row: Row, path: str) -> None:
        """A resource is gone: the one made before it is the newest again."""
        for placeholder in FREE.findall(row.path):
            known = self.learned.get(_key(path.split("/")[-2], placeholder), [])
            if (last := path.rpartition("/")[2]) in known:
                known.remove(last)

    def _name(self, placeholder: str, collection: str, index: int) -> str:
        if another := self._another(placeholder, collection, index):
            return another
        if collection == "subnetworks" and _named_as_network(self.rows[index]):
            collection = "networks"
        if collection == "networks" and any(_is_default(row, placeholder) for row in self.rows):
            return "default"
        # Own answer, what was assigned, what was said before (newest first), what will be said.
        own = next(_names(self.rows[index], collection, placeholder), None)
        if own is not None:
            return own
        if known := self.learned.get(_key(collection, placeholder)):
            return known[-1]
        for row in (*reversed(self.rows[:index]), *self.rows[index + 1 :]):
            for name in _names(row, collection, placeholder):
                return name
        return f"{placeholder.lower().removesuffix('id')}-{self.unique}"

    def _another(self, placeholder: str, collection: str, index: int) -> str:
        """The name of a second thing of a kind that a take makes under the same placeholder; "" for the first."""
        row, same = self.rows[index], "${" + placeholder + "}"
        made = [
            one
            for one in self.rows[: index + 1]
            if (one.method, one.path) == ("POST", row.path) and fields_of(one.body).get("name") == same
        ]
        if row not in made or made.index(row) == 0:
            return ""
        name = f"{placeholder.lower().removesuffix('id')}-{made.index(row) + 1}-{self.unique}"
        known = self.learned.setdefault(_key(collection, placeholder), [])
        if name not in known:
            known.append(name)
        return name


def _key(collection: str, placeholder: str) -> str:
    """Under what a name is remembered: the authors call a network ${subnetworkID} where a subnetwork has its name."""
    return f"{collection} {placeholder}" if collection in ("networks", "subnetworks") else placeholder


def _named_as_network(row: Row) -> bool:
    """Whether a row shows a subnetwork with its network's placeholder: the authors put one for one name."""
    found = fields_of(row.answer)
    name = str(found.get("name", "none"))
    return found.get("kind") == "compute#subnetwork" and str(found.get("network")).endswith(f"/{name}")


def _is_default(row: Row, placeholder: str) -> bool:
    """Whether a row shows that a network's placeholder stands for the network that every project begins with."""
    found = fields_of(row.answer)
    same = found.get("name") == "${" + placeholder + "}" and found.get("kind") == "compute#network"
    return same and found.get("description") == "Default network for the project"


def _names(row: Row, collection: str, placeholder: str) -> Iterator[str]:
    """The plain names that a row shows of a resource of *collection* ("networks"), or of what the placeholder says.

    Only links to the resource itself count, and what the request names: not what an answer says of others.
    """
    stem = placeholder.removesuffix("ID").removesuffix("y")
    wanted = re.escape(collection) if collection else rf"{stem}\w*"
    for text in _own_links(row.answer):
        for found in re.finditer(rf"/{wanted}/{_NAME}(?=['/]|$)", text):
            yield found[1]
    name = str(fields_of(row.answer).get("name", ""))
    if row.method == "GET" and re.search(rf"/{wanted}/[^/]+$", row.path) and re.fullmatch(_NAME, name):
        yield name
    sent = str(fields_of(row.body).get("name", ""))
    if row.method == "POST" and re.search(rf"/{wanted}$", row.path) and re.fullmatch(_NAME, sent):
        yield sent
    for found in re.finditer(rf"/{wanted}/{_NAME}(?=[\"/])", json.dumps(row.body)):
        yield found[1]


_NAME: Final = r"""((?:[^/"'\s?$:]|\$\{(?:uniqueId|projectId)\})+)"""


def _own_links(answer: Any) -> Iterator[str]:
    fields = fields_of(answer)
    for within in (fields, fields_of(fields.get("metadata")), fields_of(fields.get("response"))):
        yield from (
            str(within[key]) for key in ("selfLink", "targetLink", "name", "network") if key in within
        )
    yield str(fields_of(fields.get("error")).get("message", ""))
