"""Google's front door: which of its ways of being asked a request takes: an API's own, or XML."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from reconciler.sandbox.storage.xml_storage import XmlApi
from reconciler.sandbox.web import validation
from reconciler.sandbox.web.discovery import Described
from reconciler.sandbox.web.dispatch import Apis
from reconciler.sandbox.world import Visit, World


class Front:
    """All of Google's APIs on one port."""

    def __init__(self, world: World, apis: Apis) -> None:
        self._apis = apis
        self._xml = XmlApi(world, self._check_object, self._known, apis.log)

    def answer(self, visit: Visit) -> None:
        """Answer one request."""
        if self._xml.serves(visit):
            self._xml.answer(visit)
        else:
            self._apis.answer(visit)

    def _known(self, visit: Visit) -> bool:
        path = visit.target.partition("?")[0]
        return bool(self._apis.catalog.route(visit.method, path, visit.host))

    def _check_object(self, sent: Any) -> dict[str, Any]:
        return validation.check_body(self._insert, sent)

    @cached_property
    def _insert(self) -> Described:
        methods = self._apis.catalog.get("storage", "v1").methods
        return next(method for method in methods if method.method_id == "objects.insert")
