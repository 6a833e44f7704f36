"""Cloud Storage's XML API: what signed URLs and multipart uploads speak. Routing, callers, conditions, errors."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import access
from reconciler.sandbox.storage import preconditions, signed_urls, xml_objects, xml_uploads
from reconciler.sandbox.storage.buckets import BUCKET
from reconciler.sandbox.storage.xml_errors import XmlError, answer, not_emulated, of
from reconciler.sandbox.storage.xml_requests import HOSTS, Call, call_of, host_bucket
from reconciler.sandbox.weather import faults
from reconciler.sandbox.weather.conditions import AFTER, BEFORE
from reconciler.sandbox.web import dispatch, tls
from reconciler.sandbox.web.journal import Logged
from reconciler.sandbox.world import Answer, Content, CutOff, Visit, World

JSON_PATHS: Final = (
    "/storage/v1/",
    "/upload/storage/v1/",
    "/resumable/upload/storage/v1/",
    "/download/storage/v1/",
    "/batch",
    "/discovery/",
    "/$discovery/",
)
_BUSY: Final = {
    "429": (429, "SlowDown", "Please reduce your request rate."),
    "500": (500, "InternalError", "We encountered an internal error. Please try again."),
    "503": (503, "ServiceUnavailable", "Service Unavailable. Please try again."),
}
Operation = Callable[[World, Call], Answer]
_METHODS: Final[dict[tuple[str, str], tuple[str, Operation]]] = {
    ("GET", ""): ("xml.objects.get", xml_objects.get),
    ("HEAD", ""): ("xml.objects.get", xml_objects.get),
    ("PUT", ""): ("xml.objects.insert", xml_objects.put),
    ("DELETE", ""): ("xml.objects.delete", xml_objects.delete),
    ("POST", "resumable"): ("xml.objects.insert", xml_objects.begin),
    ("PUT", "upload_id"): ("xml.objects.insert", xml_objects.go_on),
    ("DELETE", "upload_id"): ("xml.objects.insert", xml_objects.go_on),
    ("POST", "uploads"): ("xml.multipartUploads.create", xml_uploads.begin),
    ("PUT", "uploadId"): ("xml.multipartUploads.uploadPart", xml_uploads.put),
    ("POST", "uploadId"): ("xml.multipartUploads.complete", xml_uploads.complete),
    ("DELETE", "uploadId"): ("xml.multipartUploads.abort", xml_uploads.abort),
    ("GET", "uploadId"): ("xml.multipartUploads.listParts", xml_uploads.parts_of),
}


@dataclass
class _Exchange:
    """One request on its way: what is known of it so far."""

    visit: Visit
    method_id: str = ""
    caller: str = ""
    fault: str = ""


@dataclass(frozen=True)
class XmlApi:
    """The API, beside those that Google's documents describe."""

    world: World
    check_body: Callable[[Any], dict[str, Any]]
    """Checks an object's resource as the JSON API would."""
    known: Callable[[Visit], bool]
    """Whether a request is one of the JSON APIs'."""
    log: Callable[[Logged], None]

    def serves(self, visit: Visit) -> bool:
        """Whether a request is for it: by its host; at the sandbox's own address by a signature or a bucket's name."""
        path = visit.target.partition("?")[0]
        if host_bucket(visit) or visit.host in HOSTS:
            return not path.startswith(JSON_PATHS)
        if tls.serves(visit.host):
            return False
        if signed_urls.signed(visit):
            return True
        bucket = path[1:].partition("/")[0]
        return bool(bucket) and not self.known(visit) and self.world.store.get(BUCKET, bucket) is not None

    def answer(self, visit: Visit) -> None:
        """Answer one request."""
        started = time.perf_counter()
        exchange = _Exchange(visit)
        try:
            found = self._answered(exchange)
        except CutOff:
            self._log(exchange, started, 0)
            raise
        if latency := self.world.conditions.latency:
            time.sleep(latency)
        self._log(exchange, started, found.status)
        visit.respond(found.status, found.headers, cast("Content", found.body))

    def _answered(self, exchange: _Exchange) -> Answer:
        try:
            return self._under_conditions(exchange)
        except preconditions.Unchanged:
            return Answer(304)
        except XmlError as error:
            return answer(error)
        except ApiError as error:
            return answer(of(error))
        except (OSError, EOFError, CutOff):
            raise
        except Exception:
            traceback.print_exc()
            text = "A fault of the sandbox, not of your request. Its log has the details."
            return answer(XmlError(500, "InternalError", text))

    def _under_conditions(self, exchange: _Exchange) -> Answer:
        """The answer, or what the conditions of the day put in its place."""
        visit, conditions = exchange.visit, self.world.conditions
        exchange.method_id, operation = _operation(visit)
        if signed_urls.signed(visit):
            exchange.caller = signed_urls.signer(self.world, visit, host_bucket(visit))
        else:
            exchange.caller = access.caller(self.world, visit)
        method, line = f"storage.{exchange.method_id}", f"{visit.method} {visit.target.partition('?')[0]}"
        fault = exchange.fault = conditions.fault(method, BEFORE, line)
        if fault == "hang":
            threading.Event().wait(dispatch.HANG_SECONDS)
        if fault in ("hang", "reset-before"):
            raise CutOff
        if fault == "502":
            return faults.answer("storage", fault)
        if fault or conditions.exceeded(method, "") is not None:
            raise XmlError(*_BUSY[fault or "429"])
        call = call_of(visit, exchange.caller, self.check_body)
        found = operation(self.world, call)
        exchange.fault = conditions.fault(method, (AFTER,), line)
        if exchange.fault:
            raise CutOff
        return found

    def _log(self, exchange: _Exchange, started: float, status: int) -> None:
        self.log(
            Logged(
                http_method=exchange.visit.method,
                path=exchange.visit.target,
                api="storage",
                method_id=exchange.method_id,
                status=status,
                milliseconds=(time.perf_counter() - started) * 1000,
                caller=exchange.caller,
                fault=exchange.fault,
            )
        )


def _operation(visit: Visit) -> tuple[str, Operation]:
    """(method id, function) of a request; raises XmlError 404 for what is not emulated."""
    path, _, query = visit.target.partition("?")
    names = {pair.partition("=")[0] for pair in query.split("&")}
    named = path[1:] if host_bucket(visit) else path[1:].partition("/")[2]
    kind = next((name for name in ("uploadId", "uploads", "upload_id") if name in names), "")
    if visit.header("x-goog-resumable") == "start":
        kind = "resumable"
    found = _METHODS.get((visit.method, kind))
    if not named or found is None:
        raise not_emulated(f"{visit.method} {path} of Cloud Storage's XML API; the JSON API may have it")
    return found
