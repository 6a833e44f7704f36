"""Every method of Google's APIs that the reconciler can call, read off its source.

All calls go through `reconciler.gcp.cloud.Cloud`: discovery clients (`cloud.api("sqladmin", "v1").instances().get(…)`),
Google's own clients for Cloud Run and Secret Manager (`cloud.secrets.get_secret(…)`) and for Cloud Storage
(`cloud.storage.bucket(…).reload(…)`). The source is walked as a tree: what a name stands for is followed through
assignments, functions inside functions and functions of the same module that return a client. Kinds that are found by
label name their collection in a value, and are asked for it.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from reconciler.labelled_kind import LabelledKind
from reconciler.registry import KINDS
from reconciler.sandbox.web.discovery import documents_folder, load

SOURCE: Final = Path(__file__).resolve().parents[2] / "reconciler"
CLIENTS: Final[Mapping[str, tuple[str, str, str]]] = {
    "run_services": ("google.cloud.run_v2.services.services", "run", "v2"),
    "run_jobs": ("google.cloud.run_v2.services.jobs", "run", "v2"),
    "run_executions": ("google.cloud.run_v2.services.executions", "run", "v2"),
    "secrets": ("google.cloud.secretmanager_v1.services.secret_manager_service", "secretmanager", "v1"),
}
"""The attributes of Cloud that hold a generated client: its package, and the document of its API."""
STORAGE: Final[Mapping[str, str]] = {
    "create": "buckets.insert",
    "reload": "buckets.get",
    "patch": "buckets.patch",
    "list_blobs": "objects.list",
    "get_iam_policy": "buckets.getIamPolicy",
    "set_iam_policy": "buckets.setIamPolicy",
    "upload_from_string": "objects.insert",
    "bucket.delete": "buckets.delete",
    "blob.delete": "objects.delete",
    "blob.reload": "objects.get",
}
"""What the methods of google-cloud-storage's buckets and blobs call."""


@dataclass(frozen=True, order=True)
class Call:
    """A method of a document: "sqladmin", "v1", "instances.get"."""

    api: str
    version: str
    method_id: str

    def __str__(self) -> str:
        return f"{self.api}.{self.version} {self.method_id}"


@dataclass(frozen=True)
class _Resource:
    """A discovery client, or a resource of one: *path* is "projects.secrets"."""

    api: str
    version: str
    path: str


@dataclass(frozen=True)
class _Client:
    """A generated client, by its attribute of Cloud; "storage.bucket" and "storage.blob" of google-cloud-storage."""

    name: str


def calls() -> set[Call]:
    """Every call that the source can make."""
    found: set[Call] = set()
    for path in sorted(SOURCE.rglob("*.py")):
        if "sandbox" not in path.parts:
            module = _Module(ast.parse(path.read_text(encoding="utf-8")))
            found |= module.calls()
    return found | _by_label()


def _by_label() -> set[Call]:
    """What kinds call whose collection is a value: it cannot be read off a name."""
    kinds = [kind for kind in KINDS if isinstance(kind, LabelledKind)]
    return {
        Call("monitoring", "v3", f"projects.{kind.collection}.{verb}")
        for kind in kinds
        for verb in ("create", "delete", "list", "patch")
    }


class _Module:
    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        self.found: set[Call] = set()
        self.within: set[str] = set()

    def calls(self) -> set[Call]:
        self.body(self.tree, {})
        return self.found

    def body(self, node: ast.AST, names: dict[str, Any]) -> None:
        """Walk a scope: what it assigns, what it calls, and the scopes inside it, which see its names."""
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.Assign):
                self.assign(inner, names)
            if isinstance(inner, ast.For):
                self.loop(inner, names)
            if isinstance(inner, ast.Attribute):
                self.value(inner, names)
            own = dict(names) if isinstance(inner, ast.FunctionDef | ast.Lambda | ast.ClassDef) else names
            self.body(inner, own)

    def assign(self, node: ast.Assign, names: dict[str, Any]) -> None:
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            for one, value in pairs:
                if isinstance(one, ast.Name):
                    names[one.id] = self.value(value, names)

    def loop(self, node: ast.For, names: dict[str, Any]) -> None:
        # What a loop over listed blobs yields is a blob: the one thing of Cloud Storage that is met in no other way.
        for target in ast.walk(node.target):
            if isinstance(target, ast.Name) and target.id == "blob":
                names[target.id] = _Client("storage.blob")

    def value(self, node: ast.expr, names: Mapping[str, Any]) -> Any:
        """What an expression stands for: a resource, a client, or None."""
        if isinstance(node, ast.Name):
            return names.get(node.id)
        if isinstance(node, ast.Attribute):
            return self.attribute(node, names)
        if isinstance(node, ast.Call):
            return self.call(node, names)
        return None

    def attribute(self, node: ast.Attribute, names: Mapping[str, Any]) -> Any:
        if node.attr in CLIENTS and isinstance(node.value, ast.Name):
            return _Client(node.attr)
        if node.attr == "storage" and isinstance(node.value, ast.Name) and node.value.id == "cloud":
            return _Client("storage")
        owner = self.value(node.value, names)
        if isinstance(owner, _Resource):
            self.found |= {call for call in (_method(owner, node.attr),) if call is not None}
        if isinstance(owner, _Client):
            self.found |= set(_client_calls(owner.name, node.attr))
        return None

    def call(self, node: ast.Call, names: Mapping[str, Any]) -> Any:
        function = node.func
        if isinstance(function, ast.Name) and function.id in self.functions:
            if function.id in self.within:
                return None  # it calls itself: what that returns is what the others return
            self.within.add(function.id)
            returns = [one for one in ast.walk(self.functions[function.id]) if isinstance(one, ast.Return)]
            told = next((self.value(one.value, {}) for one in returns if one.value is not None), None)
            self.within.discard(function.id)
            return told
        if not isinstance(function, ast.Attribute):
            return None
        if function.attr == "api":
            constants = [one.value for one in node.args if isinstance(one, ast.Constant)]
            return _Resource(str(constants[0]), str(constants[1]), "") if len(constants) == 2 else None
        owner = self.value(function.value, names)
        if isinstance(owner, _Resource):
            return _below(owner, function.attr)
        if isinstance(owner, _Client) and function.attr in ("bucket", "blob"):
            return _Client(f"storage.{function.attr}")
        return None


def _below(resource: _Resource, name: str) -> _Resource | None:
    path = f"{resource.path}.{name}".lstrip(".")
    return _Resource(resource.api, resource.version, path) if path in _tree(resource)[0] else None


def _method(resource: _Resource, name: str) -> Call | None:
    method = f"{resource.path}.{name}".lstrip(".")
    if method not in _tree(resource)[1]:
        return None
    # Identity-Aware Proxy's document has a collection called like its version, which ids leave out.
    return Call(resource.api, resource.version, method.removeprefix(f"{resource.version}."))


def _tree(resource: _Resource) -> tuple[frozenset[str], frozenset[str]]:
    return _document_tree(resource.api, resource.version)


@cache
def _document_tree(api: str, version: str) -> tuple[frozenset[str], frozenset[str]]:
    """(paths of the resources, paths of the methods) of a document."""
    whole = json.loads((documents_folder() / f"{api}.{version}.json").read_bytes())
    resources: set[str] = set()
    methods: set[str] = set()

    def walk(node: Mapping[str, Any], at: str) -> None:
        methods.update(f"{at}.{name}".lstrip(".") for name in node.get("methods", {}))
        for name, below in cast("dict[str, Any]", node.get("resources", {})).items():
            resources.add(path := f"{at}.{name}".lstrip("."))
            walk(below, path)

    walk(whole, "")
    return frozenset(resources), frozenset(methods)


def _client_calls(client: str, name: str) -> Iterator[Call]:
    if client.startswith("storage."):
        kind = client.rpartition(".")[2]
        method = STORAGE.get(f"{kind}.{name}") or STORAGE.get(name)
        if method is not None:
            yield Call("storage", "v1", method)
        return
    if client in CLIENTS:
        package, api, version = CLIENTS[client]
        for http_method, uri in _generated(package, name):
            path = re.sub(r"\{[^=}]+=([^}]+)\}", r"\1", uri).replace("*", "x")
            match = load(api, version).match(http_method.upper(), path)
            if match is not None:
                yield Call(api, version, match.method.method_id)
                return


def _generated(package: str, name: str) -> list[tuple[str, str]]:
    """(HTTP method, URI template) of a generated client's method; [] where it has no such method."""
    rest = cast("Any", importlib.import_module(f"{package}.transports.rest_base"))
    camel = "".join(part.capitalize() for part in name.split("_"))
    for holder in cast("dict[str, Any]", vars(rest)).values():
        options = getattr(getattr(holder, f"_Base{camel}", None), "_get_http_options", None)
        if options is not None:
            return [(one["method"], one["uri"]) for one in options()]
    return []
