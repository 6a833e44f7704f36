"""What an edit by others is, and the makers of the common ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.laws.hands.hand import MOVED, TRIES, Change, Hand, Impossible, Place, dug

WALLED, OPEN = "walled", "open"
BOTH = (WALLED, OPEN)


class Sort(StrEnum):
    """Whose it is that was edited."""

    OURS = "ours"
    """The spec declares it: it becomes what it was."""
    THEIRS = "theirs"
    """The spec says nothing of it: it stays."""
    GONE = "gone"
    """A thing of ours was deleted: it comes back."""
    MARK = "mark"
    """The sign by which a thing is ours: nothing is done to it until it is adopted."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit of a resource of *kind*: *write* does it, and *read* shows what of it there is.

    *told* is what a plan says of it, as patterns of "ADDRESS FIELD", or "ADDRESS ACTION" where a thing is made anew;
    *may* is what else it may say, because it hangs together. *met* are parts of the paths of requests about the same
    thing: between two of those an edit hurts most. *outlives*: it is still there when the deployment is gone.
    """

    kind: str
    name: str
    sort: Sort
    write: Callable[[Hand], object]
    read: Callable[[Hand], Any]
    told: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    met: tuple[str, ...] = ()
    scenes: tuple[str, ...] = field(default=BOTH)
    outlives: bool = False

    def __str__(self) -> str:
        return f"{self.kind}: {self.name} ({self.sort})"


@dataclass(frozen=True, slots=True)
class Of:
    """The edits of one resource: its *kind*, where it is (*place*), and its *address* in a plan."""

    kind: str
    place: Place
    address: str
    scenes: tuple[str, ...] = BOTH
    met: str = ""
    may: tuple[str, ...] = ()

    def ours(self, name: str, change: Change, look: str, *told: str, **more: Any) -> Edit:
        """A field that the spec declares; *look* is where the edit shows, *told* how a plan calls it."""
        fields = told or (look,)
        said = tuple(f"{self.address} {one}" for one in fields)
        return self._made(name, Sort.OURS, change, look, told=said, **more)

    def theirs(self, name: str, change: Change, look: str, **more: Any) -> Edit:
        """A field of which the spec says nothing."""
        return self._made(name, Sort.THEIRS, change, look, **more)

    def marked(self, change: Change, look: str, told: str, **more: Any) -> Edit:
        """The sign that it is ours, taken off."""
        return self._made(
            "the mark is gone", Sort.MARK, change, look, told=(f"{self.address} {told}",), **more
        )

    def gone(self, *told: str, delete: Callable[[Hand], object] | None = None, **more: Any) -> Edit:
        """The resource itself, deleted. *told* are the other changes that this must lead to."""
        place = self.place

        def write(hand: Hand) -> None:
            if place.read(hand) is None:
                raise Impossible("it is not there")
            (delete or _delete(place))(hand)

        return Edit(
            self.kind,
            more.pop("name", "deleted"),
            Sort.GONE,
            write,
            lambda hand: place.read(hand) is not None,
            (f"{self.address} create", *told),
            (*self.may, *more.pop("may", ())),
            (self.met or place.path,),
            more.pop("scenes", self.scenes),
            **more,
        )

    def _made(self, name: str, sort: Sort, change: Change, look: str, **more: Any) -> Edit:
        place = self.place
        return Edit(
            self.kind,
            name,
            sort,
            lambda hand: place.change(hand, change),
            lambda hand: dug(place.read(hand), look),
            met=(self.met or place.path,),
            may=(*self.may, *more.pop("may", ())),
            scenes=more.pop("scenes", self.scenes),
            **more,
        )


def _delete(place: Place) -> Callable[[Hand], object]:
    return lambda hand: hand.done("DELETE", place.api, place.path)


def beside(kind: str, name: str, api: str, made: tuple[str, Any], look: str, **more: Any) -> Edit:
    """Another thing of the same sort, somebody else's, made by POST to the path in *made*; *look* is where it is."""
    path, body = made
    more = {"outlives": True, **more}
    return Edit(
        kind,
        name,
        Sort.THEIRS,
        lambda hand: hand.done("POST", api, path, body),
        lambda hand: hand.asked("GET", api, look).status == 200,
        **more,
    )


def members(
    kind: str,
    address: str,
    policy: tuple[str, str, str, str],
    role: str,
    member: str,
    *,
    foreign: str = "roles/viewer",
    **more: Any,
) -> Iterable[Edit]:
    """The edits of a policy, which is read and written by *policy*: api, "METHOD path" of each, and key of the body.

    Ours: *member* loses *role*. Theirs: somebody is given the role *foreign*, and *role* too where that is nobody's
    list; and there is a binding with a condition.
    """
    api, reading, writing, key = policy

    def read(hand: Hand) -> dict[str, Any]:
        method, _, path = reading.partition(" ")
        body = {"options": {"requestedPolicyVersion": 3}} if method == "POST" else None
        answered = hand.asked(method, api, path, body)
        return answered.json if answered.status == 200 else {}

    def write(hand: Hand, change: Callable[[list[dict[str, Any]]], None]) -> None:
        method, _, path = writing.partition(" ")
        for _ in range(TRIES):
            live = read(hand)
            if not live:
                raise Impossible(f"{hand.filled(path)} has no policy")
            bindings: list[dict[str, Any]] = live.get("bindings", [])
            change(bindings)
            policy = {**live, "bindings": [b for b in bindings if b["members"]], "version": 3}
            answered = hand.asked(method, api, path, {key: policy} if key else policy)
            if answered.status == 200:
                return
            if answered.status not in MOVED:
                raise Impossible(f"{hand.filled(path)}: {answered.status} {answered.body[:300]!r}")
        raise Impossible(f"{hand.filled(path)} changes all the time")

    def holders(hand: Hand, role: str, conditional: bool = False) -> list[str]:
        found = [b for b in read(hand).get("bindings", []) if b["role"] == role]
        return sorted(m for b in found if bool(b.get("condition")) == conditional for m in b["members"])

    def taken(hand: Hand) -> None:
        who = hand.filled(member)
        if who not in holders(hand, role):
            raise Impossible(f"{who} has no {role}")

        def change(bindings: list[dict[str, Any]]) -> None:
            for binding in bindings:
                if binding["role"] == role and not binding.get("condition"):
                    binding["members"] = [m for m in binding["members"] if m != who]

        write(hand, change)

    def given(to: str, condition: dict[str, str] | None = None) -> Callable[[Hand], None]:
        def do(hand: Hand) -> None:
            bound = {"role": to, "members": [hand.filled("user:{T}@example.com")]}
            write(
                hand,
                lambda bindings: bindings.append({**bound, "condition": condition} if condition else bound),
            )

        return do

    def has(of: str, conditional: bool = False) -> Callable[[Hand], Any]:
        return lambda hand: hand.filled("user:{T}@example.com") in holders(hand, of, conditional)

    told = (f"{address} {role} {member}",)
    met = (writing.partition(" ")[2].partition(":")[0],)
    yield Edit(
        kind,
        f"{role} taken away",
        Sort.OURS,
        taken,
        lambda hand: hand.filled(member) in holders(hand, role),
        told=told,
        met=met,
        scenes=more.get("scenes", BOTH),
    )
    yield Edit(kind, f"{foreign} to somebody", Sort.THEIRS, given(foreign), has(foreign), met=met, **more)
    until = {"title": "for a while", "expression": 'request.time < timestamp("2099-01-01T00:00:00Z")'}
    yield Edit(
        kind,
        f"{role} to somebody, for a while",
        Sort.THEIRS,
        given(role, until),
        has(role, True),
        met=met,
        **more,
    )
