"""Somebody else at work in the deployment's project: plain requests to Google's APIs, none of them through our code."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from reconciler.server import networks
from reconciler.server.naming import Names
from tests.laws.walks import NAME, PROJECT, REGION
from tests.sandbox.calls import Answered, Cloud

BUCKET = f"{PROJECT}-{NAME}-artifacts"
ACCOUNT = "012345-6789AB-CDEF01"
"""The billing account that pays for everything in a sandbox."""
TRIES = 5
"""How often a write is tried whose etag has moved: who edits by hand does it again, too."""
MOVED = (409, 412)
PATIENCE = 60.0


class Impossible(Exception):
    """What was to be edited is not there, or the API refuses the edit, with this *status*."""

    def __init__(self, told: str, status: int = 0) -> None:
        super().__init__(told)
        self.status = status


@dataclass(frozen=True, slots=True)
class Hand:
    """One caller; *token* is a word in what it writes, so that no two edits are alike.

    A *patient* one waits until an operation that it began is over.
    """

    cloud: Cloud
    token: str
    patient: bool = True

    def filled(self, text: str) -> str:
        """*text* with names in it: {P}roject, {#} its number, {N}ame, {R}egion, {B}ucket, {T}oken and so on."""
        names = Names(PROJECT, self.cloud.number, REGION, NAME, BUCKET, NAME, "mlflow", "mlflow")
        words = {
            "P": PROJECT,
            "#": self.cloud.number,
            "N": NAME,
            "R": REGION,
            "B": BUCKET,
            "A": ACCOUNT,
            "T": self.token,
            "C": networks.connector(names).rpartition("/")[2],
            "T#": str(int("".join(filter(str.isdigit, self.token)) or 0) % 250),
        }
        for letter, word in words.items():
            text = text.replace(f"{{{letter}}}", word)
        return text

    def asked(self, method: str, api: str, path: str, body: Any = None, raw: bytes | None = None) -> Answered:
        """One request to *api* ("run")."""
        headers = {"Host": f"{api}.googleapis.com"}
        return self.cloud.call(method, self.filled(path), self._with_words(body), raw=raw, headers=headers)

    def got(self, api: str, path: str) -> Any:
        """What is there as JSON, None where nothing is."""
        answered = self.asked("GET", api, path)
        return answered.json if answered.status == 200 else None

    def listed(self, api: str, path: str, key: str) -> list[dict[str, Any]]:
        """The resources in a list, none where there is no list."""
        found: Any = self.got(api, path)
        return list(found.get(key) or []) if found else []

    def done(self, method: str, api: str, path: str, body: Any = None, raw: bytes | None = None) -> Any:
        """The answer to a write. Raises `Impossible` where it is refused."""
        answered = self.asked(method, api, path, body, raw)
        if answered.status not in {200, 204}:
            told = f"{method} {self.filled(path)}: {answered.status} {answered.body[:300]!r}"
            raise Impossible(told, answered.status)
        answer: Any = answered.json if answered.body else None
        if self.patient and isinstance(answer, dict):
            self._wait(api, path, cast("dict[str, Any]", answer))
        return cast("Any", answer)

    def _with_words(self, body: Any) -> Any:
        if isinstance(body, str):
            return self.filled(body)
        if isinstance(body, Mapping):
            fields = cast("Mapping[str, Any]", body)
            return {self.filled(key): self._with_words(value) for key, value in fields.items()}
        return [self._with_words(one) for one in cast("list[Any]", body)] if isinstance(body, list) else body

    def _wait(self, api: str, path: str, begun: Mapping[str, Any]) -> None:
        """Until the operation *begun* is over, in any of the shapes that operations have."""
        name, until = str(begun.get("name", "")), time.monotonic() + PATIENCE
        if begun.get("done"):
            return
        if api == "sqladmin" and begun.get("kind") == "sql#operation":
            where = f"/v1/projects/{{P}}/operations/{name}"
        elif api == "compute" and begun.get("kind") == "compute#operation":
            where = f"/compute/v1/projects/{{P}}/global/operations/{name}"
            if "region" in begun:
                where = f"/compute/v1/projects/{{P}}/regions/{{R}}/operations/{name}"
        elif "/operations/" in f"/{name}":
            where = f"/{path.split('/')[1]}/{name}"
        else:
            return
        while time.monotonic() < until:
            now: dict[str, Any] = self.got(api, where) or {}
            if now.get("done") or now.get("status") == "DONE":
                return
            time.sleep(0.05)
        raise Impossible(f"{where} is not over after {PATIENCE:.0f} s")


class Already(Impossible):
    """What the edit would do is so already."""


Change = Callable[[Hand, dict[str, Any]], None]
"""What is done to a resource's JSON, in place."""


@dataclass(frozen=True, slots=True)
class Place:
    """One resource: its *path* at *api*, and the *style* in which the API takes changes.

    "mask": the parts that differ, named in updateMask; "whole": all of it; "merge": the parts that differ, on the
    bucket's metageneration; "settings": the settings that differ, on their version; "wrapped": as service accounts are.
    Where there is an etag, it is sent.
    """

    api: str
    path: str
    style: str = "mask"

    def read(self, hand: Hand) -> Any:
        """Its JSON, None where it is not there."""
        return hand.got(self.api, self.path)

    def change(self, hand: Hand, change: Change) -> None:
        """Read it, change it, write it back on the version that was read; again where that has moved."""
        for _ in range(TRIES):
            live = self.read(hand)
            if live is None:
                raise Impossible(f"{hand.filled(self.path)} is not there")
            whole = copy.deepcopy(live)
            change(hand, whole)
            try:
                self._write(hand, live, whole)
                return
            except Impossible as refused:
                if refused.status not in MOVED:
                    raise
                time.sleep(0.2)
        raise Impossible(f"{hand.filled(self.path)} changes all the time")

    def _write(self, hand: Hand, live: dict[str, Any], whole: dict[str, Any]) -> None:
        parts = {key: whole.get(key) for key in {*live, *whole} if live.get(key) != whole.get(key)}
        etag = {"etag": live["etag"]} if live.get("etag") else {}
        mask = ",".join(sorted(parts))
        if self.style == "whole":
            hand.done("PUT" if self.api == "kubernetes" else "PATCH", self.api, self.path, whole)
        elif self.style == "merge":
            path = f"{self.path}?ifMetagenerationMatch={live['metageneration']}"
            hand.done("PATCH", self.api, path, parts)
        elif self.style == "settings":
            old, new = live["settings"], whole["settings"]
            inner = {key: new.get(key) for key in {*old, *new} if old.get(key) != new.get(key)}
            settings = {**inner, "settingsVersion": old["settingsVersion"]}
            hand.done("PATCH", self.api, self.path, {"settings": settings})
        elif self.style == "wrapped":
            body = {"serviceAccount": {**parts, **etag}, "updateMask": mask}
            hand.done("PATCH", self.api, self.path, body)
        else:
            joint = "&" if "?" in self.path else "?"
            hand.done("PATCH", self.api, f"{self.path}{joint}updateMask={mask}", {**parts, **etag})


def dug(value: Any, path: str) -> Any:
    """What stands under the dotted *path*, None for nothing; a number counts in a list."""
    for step in path.split("."):
        if isinstance(value, list):
            items = cast("list[Any]", value)
            value = items[int(step)] if int(step) < len(items) else None
        elif isinstance(value, dict):
            value = cast("dict[str, Any]", value).get(step)
        else:
            return None
    return value


def put(path: str, value: Any) -> Change:
    """*value* under the dotted *path*; None takes it away where the API's style allows it."""

    def change(hand: Hand, whole: dict[str, Any]) -> None:
        *steps, last = path.split(".")
        at: Any = whole
        for step in steps:
            at = cast("Any", at)[int(step)] if isinstance(at, list) else at.setdefault(step, {})
        at[last] = hand.filled(value) if isinstance(value, str) else copy.deepcopy(value)

    return change


def drop(path: str) -> Change:
    """Nothing under the dotted *path* any more."""

    def change(hand: Hand, whole: dict[str, Any]) -> None:
        del hand
        parent, _, last = path.rpartition(".")
        at = dug(whole, parent) if parent else whole
        if isinstance(at, dict):
            cast("dict[str, Any]", at).pop(last, None)

    return change


def add(path: str, entry: Any) -> Change:
    """One more *entry* in the list under the dotted *path*."""

    def change(hand: Hand, whole: dict[str, Any]) -> None:
        listed = list(dug(whole, path) or [])
        filled = {k: hand.filled(v) if isinstance(v, str) else v for k, v in entry.items()}
        put(path, [*listed, filled])(hand, whole)

    return change
