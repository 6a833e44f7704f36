"""From an HTTP request to a service's method and back: routing, caller, checks, errors.

What is checked before a method runs is checked here, once, for every API.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import parse_qsl

from reconciler.sandbox import access, errors, partial, services, validation
from reconciler.sandbox.discovery import Catalog, Described, Document, Match
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.world import Answer, Content, Headers, Method, Request, Visit, World

MAX_BODY: Final = 32 << 20
JSON: Final = ("Content-Type", "application/json; charset=UTF-8")
_VERSION: Final = re.compile(r"^/(?:sql/)?v\d+[a-z0-9]*/")
Methods = Mapping[tuple[str, str, str], Method]


@dataclass(frozen=True)
class Logged:
    """One line of the request log."""

    http_method: str
    path: str
    api: str
    method_id: str
    status: int
    milliseconds: float
    caller: str


@dataclass(frozen=True)
class Apis:
    """Every API that is served."""

    world: World
    catalog: Catalog
    methods: Methods
    strict: bool
    """Whether our own answers are held against Google's documents; a mismatch is a 500."""
    log: Callable[[Logged], None]

    def answer(self, visit: Visit) -> None:
        """Answer one API request."""
        started = time.perf_counter()
        path = visit.target.partition("?")[0]
        match, caller = None, ""
        try:
            match = self._route(visit.method, path, visit.host)
            caller = access.caller(self.world, visit)
            answer = self._call(visit, match, caller)
        except ApiError as error:
            api = match.method.api if match else ""
            answer = Answer(error.status, errors.body(api, error))
        except (OSError, EOFError):
            raise
        except Exception:
            traceback.print_exc()
            answer = _fault(f"{visit.method} {path}")
        if latency := self.world.latency.get("all"):
            time.sleep(latency)
        milliseconds = (time.perf_counter() - started) * 1000
        api, method_id = (match.method.api, match.method.method_id) if match else ("", "")
        self.log(Logged(visit.method, visit.target, api, method_id, answer.status, milliseconds, caller))
        _send(visit, answer)

    def _route(self, http_method: str, path: str, host: str) -> Match:
        matches = self.catalog.route(http_method, path, host)
        for match in matches:
            if self._implementation(match.method, path) is not None:
                return match
        known = f"{matches[0].method.api}.{matches[0].method.method_id}" if matches else ""
        raise errors.not_emulated(http_method, path, known)

    def _implementation(self, method: Described, path: str) -> Method | None:
        found = self.methods.get((method.api, method.version, method.method_id))
        if found is not None:
            return found
        if method.method_id.endswith(("operations.get", "operations.wait")):
            name = operation_name(path)
            if self.world.operations.get(name) is not None:
                return lambda request: _operation(self.world, request)
        return None

    def _call(self, visit: Visit, match: Match, caller: str) -> Answer:
        method = match.method
        document = self.catalog.get(method.api, method.version)
        path, _, query = visit.target.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True)
        params = _parameters(document, match, pairs)
        raw, body = (b"", {}) if match.media else _body(visit, method)
        request = Request(
            api=method.api,
            version=method.version,
            method_id=method.method_id,
            params=params,
            body=body,
            caller=caller,
            project=access.project(self.world, method, params),
            headers={name.lower(): value for name, value in visit.headers},
            host=visit.host,
            base_url=_base_url(visit),
            http_method=visit.method,
            path=visit.target,
            raw=raw,
            stream=visit.body if match.media else None,
            media=match.media,
            check_body=lambda sent: validation.check_body(method, sent),
        )
        access.check(self.world, document, request)
        implementation = self._implementation(method, path)
        if implementation is None:
            raise errors.not_emulated(visit.method, path)
        return self._shaped(method, request, implementation(request))

    def _shaped(self, method: Described, request: Request, answer: Mapping[str, Any] | Answer) -> Answer:
        whole = answer if isinstance(answer, Answer) else Answer(200, answer)
        body = _json_of(whole)
        if body is None:
            return whole
        if self.strict and whole.status < 300:
            findings = validation.check_answer(method, body)
            if findings:
                print(f"ANSWER DOES NOT FIT {method.api}.{method.method_id}:", *findings, file=sys.stderr)  # noqa: T201 -- the sandbox's log is its stderr
                return _fault(f"{method.method_id}: {findings[0]}")
        fields = request.params.get("fields", request.params.get("$fields"))
        if fields:
            return Answer(whole.status, partial.select(partial.parse(fields), body), whole.headers)
        return whole


def load_services(world: World) -> tuple[Catalog, Methods]:
    """Every module in services/: its documents and its methods."""
    served: dict[tuple[str, str], None] = {}
    methods: dict[tuple[str, str, str], Method] = {}
    for found in pkgutil.iter_modules(services.__path__):
        module = cast("Any", importlib.import_module(f"{services.__name__}.{found.name}"))
        if not hasattr(module, "API"):
            continue
        implemented = module.methods(world)
        for version in module.VERSIONS:
            served[module.API, version] = None
            methods.update({(module.API, version, key): one for key, one in implemented.items()})
    return Catalog(tuple(served)), methods


def operation_name(path: str) -> str:
    """The name of the operation in a path such as /v1/projects/p/locations/l/operations/x:wait."""
    return _VERSION.sub("", path).removesuffix(":wait")


def _operation(world: World, request: Request) -> Mapping[str, Any]:
    name = operation_name(request.path.partition("?")[0])
    if request.method_id.endswith(".wait"):
        timeout = str(request.body.get("timeout") or request.params.get("timeout") or "30s")
        return world.operations.wait(name, min(float(timeout.removesuffix("s")), 30.0)) or {}
    return world.operations.get(name) or {}


def _parameters(document: Document, match: Match, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    if match.media:
        # A resumable session is named in the query of its own URL, which no document describes.
        sessions = [(name, text) for name, text in pairs if name in ("upload_id", "uploadType")]
        pairs = [(name, text) for name, text in pairs if name not in ("upload_id", "uploadType")]
        return {**validation.check_parameters(document, match.method, match.params, pairs), **dict(sessions)}
    return validation.check_parameters(document, match.method, match.params, pairs)


def _body(visit: Visit, method: Described) -> tuple[bytes, dict[str, Any]]:
    raw = visit.body.read(MAX_BODY + 1)
    if len(raw) > MAX_BODY:
        raise ApiError(413, "Request payload size exceeds the limit.", reason="uploadTooLarge")
    if not raw.strip():
        return raw, validation.check_body(method, {})
    try:
        sent: Any = json.loads(raw)
    except ValueError as error:
        text = f"Invalid JSON payload received. {error}"
        raise ApiError(400, text, reason="parseError") from error
    if not isinstance(sent, dict):
        raise ApiError(400, "Invalid JSON payload received. Root element must be a message.")
    return raw, validation.check_body(method, sent)


def _base_url(visit: Visit) -> str:
    port = f":{visit.local_port}" if visit.host in ("127.0.0.1", "localhost") else ""
    return f"{visit.scheme}://{visit.host}{port}"


def _fault(what: str) -> Answer:
    text = f"A fault of the sandbox, not of your request: {what}. Its log has the details."
    return Answer(500, {"error": {"code": 500, "message": text, "status": "INTERNAL"}})


def _send(visit: Visit, answer: Answer) -> None:
    headers: Headers = answer.headers
    body = _json_of(answer)
    if body is not None:
        content = b"" if answer.status == 204 else json.dumps(body, indent=2).encode()
        visit.respond(answer.status, [JSON, *headers], content)
    else:
        visit.respond(answer.status, headers, cast("Content", answer.body))


def _json_of(answer: Answer) -> Mapping[str, Any] | None:
    """The JSON object of an answer; None where its body is bytes or a stream."""
    body: Any = answer.body
    return cast("Mapping[str, Any]", body) if isinstance(body, Mapping) else None
