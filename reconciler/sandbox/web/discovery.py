"""Google's discovery documents: which methods there are, how a URL becomes one, and what each may be sent.

The documents ship with google-api-python-client and are read as data; the library itself is never imported.
A document is parsed at the first request for its API (0.2 to 1 ms; of Compute's 5 MB only what is served, in 36 ms).
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from reconciler.sandbox.web import excerpt

Schemas = Mapping[str, Mapping[str, Any]]
_PLACEHOLDER: Final = re.compile(r"\{(\+?)([A-Za-z0-9_.]+)\}")
_REGION_PREFIX: Final = re.compile(r"^[a-z]+-[a-z]+\d+-")
GLOBAL_EXTRA: Final = (
    "$alt",
    "$fields",
    "$prettyPrint",
    "$key",
    "$userProject",
    "userProject",
    "userIp",
    "trace",
    "$trace",
)
"""Parameters that every API takes without its document saying so (google.api "system parameters")."""
UNDESCRIBED: Final = {"compute": frozenset({"returnPartialSuccess"})}
"""Parameters that lists of an API take though its newer documents leave them out: clients go on sending them."""
_BELOW: Final = {"compute": "/compute/"}
"""Where all paths of an API begin; its document stays unread until somebody asks there."""

_INSIDE: Final = {"iap": "/iap_"}
"""What stands in all names of an API whose templates would match every API's paths, on a port that they share."""


@dataclass(frozen=True)
class Described:
    """One method of one document."""

    api: str
    version: str
    method_id: str
    http_method: str
    path: str
    """The template below the host: "v1/{+name}:getIamPolicy"."""
    parameters: Mapping[str, Mapping[str, Any]]
    request: str
    """The body's schema, or ""."""
    response: str
    schemas: Schemas
    upload_path: str = ""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches the undecoded path, one group per path parameter."""
        return _compile(self.path, self.parameters)

    @cached_property
    def upload_pattern(self) -> re.Pattern[str] | None:
        """The same for the /upload/ path, where there is one."""
        return _compile(self.upload_path, self.parameters) if self.upload_path else None

    @cached_property
    def repeated(self) -> bool:
        """Whether any parameter may be given twice."""
        return any(parameter.get("repeated") for parameter in self.parameters.values())


@dataclass(frozen=True)
class Match:
    """A request's method, with its path parameters decoded."""

    method: Described
    params: dict[str, str]
    media: bool = False


@dataclass(frozen=True)
class Document:
    """One API in one version."""

    api: str
    version: str
    host: str
    """"secretmanager.googleapis.com"."""
    title: str
    """"Secret Manager API"."""
    methods: Sequence[Described]
    global_parameters: Mapping[str, Mapping[str, Any]]
    schemas: Schemas

    @cached_property
    def index(self) -> dict[tuple[str, str], list[Described]]:
        """Methods by HTTP method and the `:verb` at the end of the path."""
        table: dict[tuple[str, str], list[Described]] = {}
        for method in self.methods:
            table.setdefault((method.http_method, _verb(method.path)), []).append(method)
        return table

    def match(self, http_method: str, path: str) -> Match | None:
        """The method for an undecoded *path*, or None. Media paths of Cloud Storage are known here too."""
        if path.startswith(("/upload/", "/resumable/upload/")):
            return self._match_upload(http_method, path.removeprefix("/resumable"))
        media = path.startswith("/download/")
        plain = _escaped_object(path.removeprefix("/download")) if media else path
        for verb in dict.fromkeys((_verb(plain), "")):
            for method in self.index.get((http_method, verb), ()):
                found = method.pattern.fullmatch(plain)
                if found is not None:
                    return Match(method, _decoded(method, found), media)
        return None

    def _match_upload(self, http_method: str, path: str) -> Match | None:
        for method in self.methods:
            found = method.upload_pattern.fullmatch(path) if method.upload_pattern else None
            # A resumable session goes on with PUT and ends early with DELETE, on the path that began it.
            if found is not None and http_method in (method.http_method, "PUT", "DELETE"):
                return Match(method, _decoded(method, found), media=True)
        return None


class Catalog:
    """The documents that are served, by API and version; parsed when first needed."""

    def __init__(self, served: Sequence[tuple[str, str]], method_ids: Iterable[tuple[str, str]] = ()) -> None:
        """*method_ids* are (API, "networks.get") of what is emulated: of a large document the rest is not read."""
        self._served = served
        self._resources: dict[str, set[str]] = {}
        for api, method_id in method_ids:
            self._resources.setdefault(api, set()).add(method_id.partition(".")[0])
        self._documents: dict[tuple[str, str], Document] = {}

    def get(self, api: str, version: str) -> Document:
        """One document."""
        key = (api, version)
        if key not in self._documents:
            self._documents[key] = load(api, version, self._resources.get(api, set()))
        return self._documents[key]

    def route(self, http_method: str, path: str, host: str) -> list[Match]:
        """Every method that the request may mean; restricted to the host's API where the host names one.

        On a shared port a few paths belong to several APIs (operations, locations): the caller picks the one it has.
        """
        api = api_of_host(host)
        found: list[Match] = []
        for served_api, version in self._served:
            ours = api == served_api or (not api and _INSIDE.get(served_api, "/") in path)
            if ours and path.startswith(_BELOW.get(served_api, "/")):
                match = self.get(served_api, version).match(http_method, path)
                if match is not None:
                    found.append(match)
        return found


def api_of_host(host: str) -> str:
    """ "run" for "europe-west9-run.googleapis.com"; "" where the host names no API."""
    if not host.endswith(".googleapis.com"):
        return ""
    name = host.removesuffix(".googleapis.com")
    if name.endswith(".rep"):
        return name.split(".")[0]
    name = _REGION_PREFIX.sub("", name)
    return "" if name in ("www", "content", "oauth2") else name


def documents_folder() -> Path:
    """Where google-api-python-client keeps its documents."""
    found = importlib.util.find_spec("googleapiclient")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "google-api-python-client is not installed; the sandbox needs its API documents"
        )
    return Path(found.origin).parent / "discovery_cache" / "documents"


def load(api: str, version: str, resources: Iterable[str] = ()) -> Document:
    """Parse one document; of a large one no more than *resources* ("networks")."""
    whole = excerpt.read(documents_folder() / f"{api}.{version}.json", frozenset(resources))
    schemas: Schemas = whole.get("schemas", {})
    below = whole.get("servicePath", "")
    methods = tuple(_described(api, version, below, one, schemas) for one in _walk(whole))
    host = whole["rootUrl"].removeprefix("https://").rstrip("/")
    return Document(api, version, host, whole["title"], methods, whole.get("parameters", {}), schemas)


def _walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from node.get("methods", {}).values()
    for below in node.get("resources", {}).values():
        yield from _walk(below)


def _described(api: str, version: str, below: str, one: Mapping[str, Any], schemas: Schemas) -> Described:
    upload = one.get("mediaUpload", {}).get("protocols", {}).get("simple", {}).get("path", "")
    return Described(
        api=api,
        version=version,
        method_id=one["id"].partition(".")[2],
        http_method=one["httpMethod"],
        path="/" + below + one["path"],
        parameters=one.get("parameters", {}),
        request=one.get("request", {}).get("$ref", ""),
        response=one.get("response", {}).get("$ref", ""),
        schemas=schemas,
        upload_path=upload,
    )


def _verb(path: str) -> str:
    last = path.rpartition("/")[2]
    name, colon, verb = last.rpartition(":")
    # A placeholder or an escaped colon may hold what looks like a verb; the empty verb is always tried as well.
    return verb if colon and name and verb.isalpha() else ""


def _compile(template: str, parameters: Mapping[str, Mapping[str, Any]]) -> re.Pattern[str]:
    parts: list[str] = []
    end = 0
    for number, found in enumerate(_PLACEHOLDER.finditer(template)):
        parts.append(re.escape(template[end : found.start()]))
        inner = str(parameters.get(found[2], {}).get("pattern", ""))
        # Compute's patterns, without the anchors, say what a value must look like, not which path is meant.
        inner = inner if inner.startswith("^") else "^.*$" if found[1] else "^[^/]+$"
        parts.append(f"(?P<p{number}>{inner.removeprefix('^').removesuffix('$')})")
        end = found.end()
    parts.append(re.escape(template[end:]))
    return re.compile("".join(parts))


def _decoded(method: Described, found: re.Match[str]) -> dict[str, str]:
    template = method.upload_path if found.re is method.upload_pattern else method.path
    values: dict[str, str] = {}
    for number, placeholder in enumerate(_PLACEHOLDER.finditer(template)):
        text = found[f"p{number}"]
        # google.api.http: an escaped slash in a name of several segments stays escaped; elsewhere it is decoded.
        values[placeholder[2]] = unquote(re.sub("%2[Ff]", "%252F", text) if placeholder[1] else text)
    return values


def _escaped_object(path: str) -> str:
    # gcloud leaves the slashes of an object's name as they are in download paths.
    head, marker, name = path.partition("/o/")
    return head + marker + name.replace("/", "%2F")
