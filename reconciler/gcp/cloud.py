"""One project's Google Cloud, as one identity sees it: sessions, calls, waiting. Knows no kind.

Google's libraries are imported when they are first needed, so that `--help` and `validate` never pay for them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

from reconciler import errors
from reconciler.gcp import failures, granting, retries

T = TypeVar("T")

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

BEARER = "MLFLOW_RECONCILE_ACCESS_TOKEN"
"""The environment variable with the token that tells an endpoint who calls."""
TIMEOUT = 60
"""Seconds that one request may take; long work is an operation, never a long request."""

_notify: ContextVar[Callable[[str], None] | None] = ContextVar("_notify", default=None)


@dataclass
class Cloud:
    """Clients for *project*; with *endpoint* (`http://HOST:PORT`) every call goes there, without Google's credentials.

    *token* tells the endpoint who calls; without one it decides for itself. *project_number* is known after the first
    round of reads; Google names some things by it instead of the id.
    """

    project: str
    endpoint: str = ""
    project_number: str = ""
    token: str = field(default="", repr=False)
    changing: bool = False
    """Whether this run writes; who only looks is told of roles for looking."""
    stopped: threading.Event = field(default_factory=threading.Event)
    _local: threading.local = field(default_factory=threading.local, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _services: dict[tuple[str, str], Any] = field(default_factory=dict[tuple[str, str], Any], repr=False)
    _memo: dict[object, Any] = field(default_factory=dict[object, Any], repr=False)

    # -- calls ---------------------------------------------------------------------------------------------

    def call(self, about: str, request: Callable[[], T], policy: retries.Policy = retries.READ) -> T:
        """The answer of *request*, retried by *policy*; failures in our words, beginning with *about*.

        Once the run is being interrupted, whoever carries out a change sends nothing more.
        """

        def attempt() -> T:
            if self.stopped.is_set() and _notify.get() is not None:
                raise errors.StoppedBefore(f"interrupted before {about}")
            try:
                return _understood(request(), about)
            except errors.ReconcileError:
                raise  # explained by a call inside this one, its cause attached
            except Exception as error:
                raise self._explained(error, about) from error

        return retries.persist(policy, attempt, self.pause)

    def _explained(self, error: Exception, about: str) -> errors.ReconcileError:
        explained = failures.explain(error, about)
        if self.endpoint and self.token and isinstance(explained, errors.CredentialsMissing):
            return errors.CredentialsMissing(
                f"{about}: {self.endpoint} does not know the token in {BEARER}, or its hour is over",
                way_out=f"Get a new one (sandbox: mlflow-reconcile sandbox token MEMBER), or unset {BEARER}.",
            )
        if isinstance(explained, errors.PermissionMissing) and explained.permissions:
            explained.way_out = self.ways_in(explained.permissions)
        return explained

    def ways_in(self, permissions: Iterable[str]) -> str:
        """What grants us *permissions*: the sentence that names us and them, and a gcloud line for each role."""
        return granting.lines(self.project, self.member, permissions, changing=self.changing)

    @cached_property
    def member(self) -> str:
        """Whom Google's IAM takes us for ("user:…", "serviceAccount:…"), "" where that cannot be told."""
        return granting.member_of(self.credentials, self.endpoint)

    def found(self, about: str, request: Callable[[], T]) -> T | None:
        """The answer of a read, or None where the resource, or the API that could hold it, is not there."""
        try:
            return self.call(about, request)
        except errors.NotThere:
            return None

    def pause(self, seconds: float) -> None:
        """Wait, unless the run is being interrupted."""
        if self.stopped.wait(seconds):
            raise errors.Interrupted("interrupted while waiting")

    def once(self, key: object, read: Callable[[], T]) -> T:
        """The answer of *read*, asked once per *key* until `forget`: several kinds may share one read."""
        with self._lock:
            memo = (
                self._memo
            )  # a read that `forget` overtakes is not remembered: it may be of before the write
            lock = cast("threading.Lock", memo.setdefault(("lock", key), threading.Lock()))
        with lock:
            if key not in memo:
                memo[key] = read()
            return cast("T", memo[key])

    def forget(self) -> None:
        """Forget what `once` remembers, because something may have been written since."""
        with self._lock:
            self._memo = {}

    # -- progress ------------------------------------------------------------------------------------------

    @staticmethod
    def report_to(notify: Callable[[str], None] | None) -> None:
        """Send this thread's progress notes to *notify*: it carries out a change from now on."""
        _notify.set(notify)

    @staticmethod
    def note(text: str) -> None:
        """Say what a long piece of work is doing right now."""
        notify = _notify.get()
        if notify is not None:
            notify(text)

    # -- clients -------------------------------------------------------------------------------------------

    @cached_property
    def credentials(self) -> Any:
        """Application default credentials; the token's, or none, where an endpoint stands in for Google Cloud."""
        if self.endpoint and self.token:
            from google.oauth2.credentials import Credentials as Bearer

            return cast("Any", Bearer)(self.token, quota_project_id=self.project)
        if self.endpoint:
            from google.auth.credentials import AnonymousCredentials

            return AnonymousCredentials()
        import google.auth
        from google.auth.exceptions import DefaultCredentialsError
        from google.oauth2.credentials import Credentials

        try:
            scoped, _ = cast("Any", google.auth).default(scopes=[SCOPE])
        except DefaultCredentialsError as error:
            raise errors.CredentialsMissing(
                f"there are no usable Google credentials on this machine: {error}",
                way_out="Log in with: gcloud auth application-default login. To try it without: --sandbox.",
            ) from error
        if isinstance(scoped, Credentials) and not cast("Any", scoped).quota_project_id:
            # A person's calls are charged to a project shared by all of gcloud's users unless they name one.
            return cast("Any", scoped).with_quota_project(self.project)
        return scoped

    def access_token(self) -> str:
        """A token of ours that is good for some minutes, for a program that talks to Google by itself."""
        import google.auth.transport.requests as transport

        credentials: Any = self.credentials
        if not credentials.valid:
            self.call(
                "getting an access token", lambda: credentials.refresh(cast("Any", transport).Request())
            )
        return str(credentials.token)

    def api(self, name: str, version: str) -> Any:
        """A discovery client (`sqladmin`, `v1beta4`), safe to share between threads.

        httplib2 connections are not: shared by 8 threads, 213 of 240 answers belonged to another request.
        So each request is built upon the connection of the thread that sends it.
        """
        with self._lock:
            known = self._services.get((name, version))
            if known is None:
                known = self._services[name, version] = self._build(name, version)
            return known

    def _build(self, name: str, version: str) -> Any:
        from googleapiclient import discovery  # pyright: ignore[reportMissingTypeStubs] -- ships no types
        from googleapiclient.http import HttpRequest  # pyright: ignore[reportMissingTypeStubs] -- ships no types

        make: Any = HttpRequest

        def request(_http: Any, *args: Any, **kwargs: Any) -> Any:
            return make(self._connection(), *args, **kwargs)

        # An endpoint of one's own replaces the whole address, and the path below which Compute Engine's methods are.
        below = f"/{name}/{version}/" if name == "compute" else ""
        options = {"api_endpoint": f"{self.endpoint}{below}"} if self.endpoint else None
        build = cast("Any", discovery).build
        return build(
            name, version, http=self._connection(), requestBuilder=request, client_options=options,
            static_discovery=True, cache_discovery=False,
        )  # fmt: skip

    def _connection(self) -> Any:
        known = getattr(self._local, "connection", None)
        if known is None:
            import httplib2  # pyright: ignore[reportMissingTypeStubs] -- ships no types

            plain: Any = cast("Any", httplib2).Http(
                timeout=TIMEOUT, **({"proxy_info": None} if self.endpoint else {})
            )
            if self.endpoint and not self.token:
                known = plain
            else:
                import google_auth_httplib2  # pyright: ignore[reportMissingTypeStubs] -- ships no types

                known = cast("Any", google_auth_httplib2).AuthorizedHttp(self.credentials, http=plain)
            self._local.connection = known
        return known

    @cached_property
    def run_services(self) -> Any:
        """google-cloud-run's client for services, over REST."""
        from google.cloud.run_v2 import ServicesClient

        return cast("Any", ServicesClient)(**self._rest())

    @cached_property
    def run_jobs(self) -> Any:
        """google-cloud-run's client for jobs, over REST."""
        from google.cloud.run_v2 import JobsClient

        return cast("Any", JobsClient)(**self._rest())

    @cached_property
    def run_executions(self) -> Any:
        """google-cloud-run's client for executions of jobs, over REST."""
        from google.cloud.run_v2 import ExecutionsClient

        return cast("Any", ExecutionsClient)(**self._rest())

    @cached_property
    def secrets(self) -> Any:
        """google-cloud-secret-manager's client, over REST."""
        from google.cloud.secretmanager_v1 import SecretManagerServiceClient

        return cast("Any", SecretManagerServiceClient)(**self._rest())

    @cached_property
    def storage(self) -> Any:
        """google-cloud-storage's client, without the second read of each bucket that it makes for tracing."""
        os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
        from google.cloud import storage

        options = {"api_endpoint": self.endpoint} if self.endpoint else None
        return cast("Any", storage).Client(
            project=self.project, credentials=self.credentials, client_options=options
        )

    def _rest(self) -> dict[str, Any]:
        options = {"client_options": {"api_endpoint": self.endpoint}} if self.endpoint else {}
        return {"credentials": self.credentials, "transport": "rest", **options}


def _understood(answer: T, about: str) -> T:
    """*answer*, unless something between us and Google (a portal, a proxy) has answered with a page of its own."""
    if isinstance(answer, str):
        raise errors.Unreachable(
            f"{about}: what came back is no answer of Google's: {' '.join(answer[:80].split())}"
        )
    return answer
