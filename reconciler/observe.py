"""The one stage that reads Google Cloud: every resource, side by side, in at most two rounds.

The first round asks Service Usage, which tells the project's number and which APIs are enabled. The second asks for
everything else at once. Of an API that is not enabled nothing can exist, so nothing is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from reconciler import errors
from reconciler.gcp import retries
from reconciler.gcp.cloud import Cloud
from reconciler.kind import Kind
from reconciler.model import Observed, Ref

AT_ONCE = 24
"""Reads in flight. Google's quotas are per minute; one plan reads about as many resources as this."""


@dataclass(frozen=True, slots=True)
class Project:
    """What the first round tells: the project's *number*, and the APIs that are *enabled* in it."""

    number: str
    enabled: frozenset[str]


def observe(
    cloud: Cloud, refs: Iterable[Ref], kinds: Mapping[str, Kind], project: Project,
    unwanted: Collection[Ref] = (),
) -> dict[Ref, Observed]:  # fmt: skip
    """What is there of *refs*; what does not exist is left out. Raises the first failure once every read has ended.

    Of what is *unwanted* we may lack the permission to look: whoever never used an option needs none of its roles.
    """
    asked = [ref for ref in refs if _may_exist(kinds[ref.kind], project)]

    def read(ref: Ref) -> Observed | errors.ReconcileError | None:
        return _read(cloud, kinds[ref.kind], ref)

    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="read")
    try:
        answers = list(pool.map(read, asked))
    except KeyboardInterrupt:
        cloud.stopped.set()  # ends every wait before a further attempt
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    failures = [
        answer
        for ref, answer in zip(asked, answers, strict=True)
        if isinstance(answer, errors.ReconcileError)
        and not (ref in unwanted and isinstance(answer, errors.PermissionMissing))
    ]
    if failures:
        raise _together(cloud, failures)
    return {answer.ref: answer for answer in answers if isinstance(answer, Observed)}


def _may_exist(kind: Kind, project: Project) -> bool:
    return kind.api == "serviceusage.googleapis.com" or kind.api in project.enabled


def _read(cloud: Cloud, kind: Kind, ref: Ref) -> Observed | errors.ReconcileError | None:
    try:
        return retries.persist(retries.JUST_ENABLED, lambda: kind.observe(cloud, ref), cloud.pause)
    except errors.ReconcileError as error:
        return error


def _together(cloud: Cloud, failures: list[errors.ReconcileError]) -> errors.ReconcileError:
    """One error that says everything that went wrong: a reader who lacks three permissions hears of three."""
    first = failures[0]
    messages = list(dict.fromkeys(failure.message for failure in failures))
    if len(messages) == 1:
        return first
    text = "\n".join(f"- {message}" for message in messages)
    whole = type(first)(f"{len(messages)} resources could not be read:\n{text}", way_out=first.way_out)
    lacking = [one for failure in failures for one in _permissions(failure)]
    if isinstance(whole, errors.PermissionMissing) and lacking:
        whole.permissions = tuple(dict.fromkeys(lacking))
        whole.way_out = cloud.ways_in(whole.permissions)
    return whole


def _permissions(failure: errors.ReconcileError) -> tuple[str, ...]:
    return failure.permissions if isinstance(failure, errors.PermissionMissing) else ()
