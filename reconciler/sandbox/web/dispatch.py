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
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import parse_qsl

from reconciler.sandbox import errors, services
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam import access
from reconciler.sandbox.json_text import parsed
from reconciler.sandbox.operations import CALLING
from reconciler.sandbox.weather import faults
from reconciler.sandbox.weather.conditions import AFTER, BEFORE, STALE
from reconciler.sandbox.web import answers, enums, fields, partial, validation
from reconciler.sandbox.web.discovery import Catalog, Described, Document, Match
from reconciler.sandbox.web.incoming import Malformed
from reconciler.sandbox.web.journal import Logged
from reconciler.sandbox.world import Answer, Content, CutOff, Headers, Method, Request, Visit, World

MAX_BODY: Final = 32 << 20
JSON: Final = ("Content-Type", "application/json; charset=UTF-8")
HANG_SECONDS: Final = 600.0
"""How long a hanging answer hangs before its connection breaks off; every client has given up by then."""
_VERSION: Final = re.compile(r"^/(?:sql/)?v\d+[a-z0-9]*/")
Methods = Mapping[tuple[str, str, str], Method]


@dataclass
class _Exchange:
    """One request on its way: what is known of it so far."""

    visit: Visit
    match: Match | None = None
    caller: str = ""
    sent: Any = None
    """The JSON body as it came."""
    fault: str = ""

    @property
    def method(self) -> str:
        """ "API.METHOD_ID", or "" where it is not known."""
        return f"{self.match.method.api}.{self.match.method.method_id}" if self.match else ""

    @property
    def line(self) -> str:
        """ "POST /v1/projects/p/secrets"."""
        return f"{self.visit.method} {self.visit.target.partition('?')[0]}"


@dataclass(frozen=True)
class Apis:
    """Every API that is served."""

    world: World
    catalog: Catalog
    methods: Methods
    strict: bool
    """Whether our own answers are held against Google's documents; a mismatch is a 500."""
    log: Callable[[Logged], None]
    remembered: dict[str, Answer] = field(default_factory=dict[str, Answer])
    """The last answer to each read, while the conditions may ask for a stale one."""

    def answer(self, visit: Visit) -> None:
        """Answer one API request."""
        started = time.perf_counter()
        exchange = _Exchange(visit)
        try:
            answer = self._answered(exchange)
        except CutOff:
            self._log(exchange, started, Answer(0))
            raise
        if latency := self.world.conditions.latency:
            time.sleep(latency)
        self._log(exchange, started, answer)
        _send(visit, answer)

    def _answered(self, exchange: _Exchange) -> Answer:
        try:
            answer = self._under_conditions(exchange)
        except ApiError as error:
            api = exchange.match.method.api if exchange.match else ""
            body = errors.body(api, error)
            answer = self._misfit(None, error.status, body) or Answer(error.status, body)
        except (OSError, EOFError, CutOff, Malformed):
            raise
        except Exception:
            traceback.print_exc()
            answer = answers.fault(exchange.line)
        if exchange.visit.method == "GET" and self.world.conditions.stale and not exchange.fault:
            self.remembered[exchange.visit.target] = answer
        return answer

    def _under_conditions(self, exchange: _Exchange) -> Answer:
        """The answer, or what the conditions of the day put in its place."""
        visit, conditions = exchange.visit, self.world.conditions
        match = exchange.match = self._route(visit.method, visit.target.partition("?")[0], visit.host)
        CALLING.set((exchange.method, exchange.line))
        exchange.caller = access.caller(self.world, visit)
        fault = exchange.fault = conditions.fault(exchange.method, BEFORE, exchange.line)
        if fault == "hang":
            time.sleep(HANG_SECONDS)
        if fault in ("hang", "reset-before"):
            raise CutOff
        if fault:
            return faults.answer(match.method.api, fault)
        known = self.remembered.get(visit.target) if visit.method == "GET" else None
        if known is not None:
            exchange.fault = conditions.fault(exchange.method, (STALE,), exchange.line)
            if exchange.fault:
                return known
        answer = self._call(exchange, match)
        exchange.fault = conditions.fault(exchange.method, (AFTER,), exchange.line)
        if exchange.fault:
            raise CutOff
        return answer

    def _log(self, exchange: _Exchange, started: float, answer: Answer) -> None:
        visit, match = exchange.visit, exchange.match
        api, method_id = (match.method.api, match.method.method_id) if match else ("", "")
        self.log(
            Logged(
                http_method=visit.method,
                path=visit.target,
                api=api,
                method_id=method_id,
                status=answer.status,
                milliseconds=(time.perf_counter() - started) * 1000,
                caller=exchange.caller,
                request=exchange.sent,
                answer=_json_of(answer),
                fault=exchange.fault,
            )
        )

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
        known = method.method_id.endswith(("operations.get", "operations.wait"))
        if known and self.world.operations.has(operation_name(path), method.api):
            return lambda request: _operation(self.world, request)
        return None

    def _call(self, exchange: _Exchange, match: Match) -> Answer:
        visit, method = exchange.visit, match.method
        document = self.catalog.get(method.api, method.version)
        path, _, query = visit.target.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True)
        params = _parameters(document, match, pairs)
        raw, body = b"", {}
        if not match.media:
            raw, exchange.sent = _sent(visit)
            body = validation.check_body(method, {} if exchange.sent is None else exchange.sent)
        headers = {name.lower(): value for name, value in visit.headers}
        access.check_billed(self.world, document, exchange.caller, headers)
        request = Request(
            api=method.api,
            version=method.version,
            method_id=method.method_id,
            params=params,
            body=body,
            caller=exchange.caller,
            project=access.project(self.world, method, params, body),
            headers=headers,
            host=visit.host,
            base_url=visit.endpoint,
            http_method=visit.method,
            path=visit.target,
            raw=raw,
            stream=visit.body if match.media else None,
            media=match.media,
            check_body=lambda sent: validation.check_body(method, sent),
        )
        self._within_quota(document, request)
        access.check(self.world, document, request)
        fields.check_required(method, None if match.media else body)
        implementation = self._implementation(method, path)
        if implementation is None:
            raise errors.not_emulated(visit.method, path)
        return self._shaped(method, request, implementation(request))

    def _within_quota(self, document: Document, request: Request) -> None:
        exceeded = self.world.conditions.exceeded(f"{request.api}.{request.method_id}", request.project)
        if exceeded is not None:
            known = self.world.projects.get(request.project)
            number = known.number if known else request.project
            raise faults.over_quota(document, number, request.http_method, exceeded)

    def _misfit(self, method: Described | None, status: int, body: Mapping[str, Any]) -> Answer | None:
        """The 500 in place of an answer that Google would not give; None where all is well, or nobody asks."""
        findings = answers.misfit(method, status, body) if self.strict else []
        if not findings:
            return None
        print("ANSWER DOES NOT FIT:", *findings, file=sys.stderr)  # noqa: T201 -- the sandbox's log is its stderr
        return answers.fault(f"{method.method_id if method else status}: {findings[0]}")

    def _shaped(self, method: Described, request: Request, answer: Mapping[str, Any] | Answer) -> Answer:
        whole = answer if isinstance(answer, Answer) else Answer(200, answer)
        body = _json_of(whole)
        if body is None:
            return whole
        if misfit := self._misfit(method, whole.status, body):
            return misfit
        if enums.asked(request.params) and whole.status < 300:
            whole = Answer(whole.status, body := enums.numbered(method, body), whole.headers)
        asked = request.params.get("fields", request.params.get("$fields"))
        if asked:
            return Answer(whole.status, partial.select(partial.parse(asked), body), whole.headers)
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
    return Catalog(tuple(served), {(api, key) for api, _, key in methods}), methods


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


def _sent(visit: Visit) -> tuple[bytes, dict[str, Any] | None]:
    raw = visit.body.read(MAX_BODY + 1)
    if len(raw) > MAX_BODY:
        raise ApiError(413, "Request payload size exceeds the limit.", reason="uploadTooLarge")
    if not raw.strip():
        return raw, None
    try:
        sent: Any = parsed(raw)
    except ValueError as error:
        text = f"Invalid JSON payload received. {error}"
        raise ApiError(400, text, reason="parseError") from error
    if not isinstance(sent, dict):
        raise ApiError(400, "Invalid JSON payload received. Root element must be a message.")
    return raw, cast("dict[str, Any]", sent)


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
