"""MLflow's application behind mlflow-oidc-auth: logins at an OpenID Connect provider, users and permissions.

What `create` adds to the plugin's application stands beside each addition.
"""

import importlib
import sys
import types
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

Scope = dict[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]


def create() -> Any:
    """What uvicorn serves."""
    with _hashable_views():
        application: Any = importlib.import_module("mlflow_oidc_auth.app").app
    # The plugin's own pages and permissions would answer any host, and any web page's requests.
    importlib.import_module("mlflow.server.fastapi_security").init_fastapi_security(application)
    return _told_the_scheme(application)


def _told_the_scheme(application: Application) -> Application:
    """Redirects are made from the scheme that the browser used. Nobody but nginx reaches the socket, and it says so."""

    async def answer(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            told = dict(scope["headers"]).get(b"x-forwarded-proto")
            scope = {**scope, "scheme": "https" if told == b"https" else "http"}
        await application(scope, receive, send)

    return answer


class _View(Mapping[str, Any]):
    """A read-only view of a mapping that can be hashed."""

    def __init__(self, of: Mapping[str, Any]) -> None:
        self._of = of

    def __getitem__(self, key: str) -> Any:
        return self._of[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)

    def __hash__(self) -> int:
        return id(self)


def _hashable_views() -> AbstractContextManager[object]:
    """Let the plugin be imported on Python 3.11, where it cannot be by itself.

    It has read-only views as the defaults of dataclasses. Python 3.12 made these views hashable, and a dataclass takes
    no default that is not, because that usually means that it can be changed.
    """
    if sys.version_info >= (3, 12):
        return nullcontext()
    from unittest import mock

    return mock.patch.object(types, "MappingProxyType", _View)
