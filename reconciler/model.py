"""The nouns: which resource, what is wanted of it, what is there.

Bodies are flat: one key per field, named by Google's own dotted path (`settings.tier`), so that a difference,
its spec line and its effect are all found under the same word. `None` is the value of a field that is not set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


ANYTHING_ELSE: Final = frozenset({"*"})


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Which resource: its kind (`storage.bucket`) and its full Google name (`projects/_/buckets/b`)."""

    kind: str
    name: str

    @property
    def short(self) -> str:
        """The last segment of the name: what people call it. `latest` alone would not say latest of what."""
        segments = self.name.split("/")
        return segments[-3] if segments[-1] == "latest" else segments[-1]

    @property
    def address(self) -> str:
        """Kind and short name in one word, as plans print it: `storage.bucket/b`."""
        return f"{self.kind}/{self.short}"


@dataclass(frozen=True, slots=True)
class Origin:
    """The place in a spec that asks for something. *line* counts from 1; 0 means a default of the schema."""

    file: str
    line: int
    key: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.key}" if self.line else f"default of {self.key}"


@dataclass(frozen=True, slots=True)
class Pending:
    """A value that exists only once another resource does: an image's digest, a secret's version number.

    *template* holds one `{}` for the value of *ref*'s *field*.
    """

    ref: Ref
    field: str
    template: str = "{}"
    reason: str = "known after apply"

    def __str__(self) -> str:
        return f"({self.reason})"


Value: TypeAlias = "Json | Pending"
Body: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Desired:
    """What a spec wants of one resource.

    *body* None wants it gone. *needs* must be in place first. *fixed* fields cannot change on a live resource.
    Under a prefix in *complete* every field is ours, so that one we do not know is a difference; under one in *plain*
    its value may be shown, because no secret is ever there.
    What others set under one in *private* is shown nowhere, because a secret may be in it.
    Under a prefix in *watched* others' fields stay as they are, and are named.
    *floors* are numbers of which more is as good: a disk that grew is no difference.
    *effects* says, per field, what changing it does to users (in *leaving*: where it had a value before); a section
    speaks for the fields in it that have no effect of their own, and for those we do not know. *origins* says which
    spec line asks, per field;
    the key "" speaks for the whole resource. Writes that share a *lane* never overlap.
    One that *empties* cannot be deleted (a policy): when the deployment goes, its fields are unset instead.
    *mark* is a field and the value by which a live resource is ours: without it, it is neither changed nor deleted
    until it is adopted. The numbers in *only_up* fields never go down.
    *anchors* say where the data is: such a field may be set and unset but not changed, and the sentence says why.
    *stuck* says, per field, what to do where it would have to be replaced, or go down, while others live on it.
    While the field *guard* is true on the live resource, it is not deleted.
    What is *part_of* another resource comes into being by itself but goes with the other.
    Granting a field that *opens* lets everybody in: that waits until what it is part of is as it should be.
    *means* chooses between ways of making it that make no difference afterwards.
    What has *somebody_elses* is not ours to make: where it does not exist, that sentence says so and stops the apply.
    *permanent* things are left alone when the deployment goes, because others may use them; so is what *holds_data*.
    Unwanted, it is looked for only where the API *only_with* is enabled: without that it was never made.
    *stays_because* is the sentence that says why, and *goes_with* the option of `destroy` with which it goes anyway.
    What is *given* exists already and is never made or changed: the sentence says what to do where it is not there.
    The values of *grave* fields open the deployment to strangers, or lose data: found alive, they are drift of high
    severity. `ANYTHING_ELSE` says so of every value that is not wanted.
    """

    ref: Ref
    body: Body | None
    needs: tuple[Ref, ...] = ()
    fixed: frozenset[str] = frozenset()
    complete: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    floors: frozenset[str] = frozenset()
    holds_data: bool = False
    means: str = ""
    somebody_elses: str = ""
    permanent: bool = False
    stays_because: str = ""
    goes_with: str = ""
    given: str = ""
    grave: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    empties: bool = False
    part_of: Ref | None = None
    opens: frozenset[str] = frozenset()
    watched: tuple[str, ...] = ()
    only_with: str = ""
    lane: str = ""
    guard: str = ""
    mark: tuple[str, str] | None = None
    only_up: frozenset[str] = frozenset()
    anchors: Mapping[str, str] = field(default_factory=dict[str, str])
    stuck: Mapping[str, str] = field(default_factory=dict[str, str])
    effects: Mapping[str, str] = field(default_factory=dict[str, str])
    leaving: frozenset[str] = frozenset()
    origins: Mapping[str, Origin] = field(default_factory=dict[str, Origin])

    @property
    def wanted(self) -> bool:
        """Whether anything is asked for: a policy without a grant of ours is not."""
        return self.body is not None and not (self.empties and all(v is None for v in self.body.values()))

    def owns(self, observed: Observed) -> bool:
        """Whether *observed* is ours: it carries our mark, or is of a kind that can carry none."""
        return self.mark is None or observed.body.get(self.mark[0]) == self.mark[1]


@dataclass(frozen=True, slots=True)
class Observed:
    """What Google Cloud reports of one resource, in the terms of `Desired.body`.

    *version* is the API's own concurrency token (etag, settingsVersion, metageneration), "" where it has none.
    *busy* describes an operation that is still running on it. *note* is what a reader should know about it, *leaves*
    what stays when it is deleted, "" for nothing.
    """

    ref: Ref
    body: Mapping[str, Json]
    version: str = ""
    busy: str = ""
    note: str = ""
    leaves: str = ""
