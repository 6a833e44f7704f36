"""How much of what a project may have in Compute Engine, where the conditions do not say otherwise.

Of a whole project and of each of its regions; the numbers of new projects, as recorded answers of `projects.get` and
`regions.get` show them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

GLOBAL: Final[Mapping[str, float]] = {
    "NETWORKS": 15.0,
    "STATIC_ADDRESSES": 21.0,
    "IN_USE_ADDRESSES": 69.0,
    "GLOBAL_INTERNAL_ADDRESSES": 5000.0,
}
REGIONAL: Final[Mapping[str, float]] = {
    "CPUS": 24.0,
    "STATIC_ADDRESSES": 8.0,
    "IN_USE_ADDRESSES": 8.0,
    "INSTANCES": 24.0,
}
NAMES: Final = tuple(sorted({*GLOBAL, *REGIONAL}))
