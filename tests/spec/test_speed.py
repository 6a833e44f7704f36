"""Checking a spec is quick because it loads nothing that it does not need."""

from __future__ import annotations

import json
import subprocess
import sys

from reconciler.spec.files import specs_folder

PRINT = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
CHECK = f"""
import sys
from reconciler.spec.load import read
deployment, findings = read(sys.argv[1])
assert deployment is not None and not findings
{PRINT}
"""
BARE = f"import yaml, jsonschema; {PRINT}"


def loaded(script: str, *arguments: str) -> set[str]:
    """The top-level modules that a fresh Python has loaded after *script*."""
    command = [sys.executable, "-c", script, *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(answer.stdout))


def test_checking_a_spec_imports_pyyaml_and_jsonschema_and_nothing_else() -> None:
    """No Google library, no command line, no HTTP client: those cost more than all of the checking."""
    modules = loaded(CHECK, str(specs_folder() / "public.yaml"))
    assert modules - loaded(BARE) - set(sys.stdlib_module_names) == {"reconciler"}
    assert not {name for name in modules if name.startswith("google")}
