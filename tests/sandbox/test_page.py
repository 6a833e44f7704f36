"""docs/sandbox.md says what the sandbox does: its examples work, and nothing is left out."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import yaml

from reconciler.sandbox import services
from reconciler.sandbox.store import Store
from reconciler.sandbox.weather import constraints
from reconciler.sandbox.weather.conditions import FAULTS, SCHEMA, Conditions
from reconciler.sandbox.world import utc_now

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")


def test_the_example_is_one_that_works(tmp_path: Path) -> None:
    """The conditions that the page shows are accepted, and show every key there is."""
    found = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    document = yaml.safe_load(found[1])
    Conditions(Store(tmp_path / "state.db"), utc_now).replace(document)
    assert set(document) == set(SCHEMA["properties"])


def test_every_fault_and_constraint_is_explained() -> None:
    """A fault or a policy that the sandbox knows stands on the page."""
    assert [name for name in (*FAULTS, *constraints.ALL) if f"`{name}`" not in PAGE] == []


def test_every_constraint_is_enforced() -> None:
    """A policy that can be switched on is asked for somewhere."""
    folder = Path(services.__file__ or "").parents[1]
    code = "".join(path.read_text() for path in folder.rglob("*.py") if path.name != "constraints.py")
    assert [name for name in constraints.ALL if f'"{name}"' not in code] == []


def test_every_api_has_its_line() -> None:
    """An API that is served has a row that says how it was witnessed and what differs."""
    modules = (
        importlib.import_module(f"{services.__name__}.{one.name}")
        for one in pkgutil.iter_modules(services.__path__)
    )
    served = {str(module.API) for module in modules if hasattr(module, "API")}
    rows = set(re.findall(r"^\| `(\w+)` ", PAGE, re.MULTILINE))
    assert served - rows == set()
