"""A first apply where what was changed is not seen everywhere at once: APIs, service accounts, IAM policies."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import QUICKSTART
from tests.scenarios.command import sandbox

LAG = {"services": 3, "accounts": 5, "policies": 3}


def test_a_first_apply_waits_for_what_spreads(tmp_path: Path) -> None:
    """One apply is enough, nothing is left to do after it, and each of the three was really met."""
    spec, told = tmp_path / "spec.yaml", tmp_path / "conditions.yaml"
    spec.write_text(Path(QUICKSTART).read_text().replace("mlflow-sandbox", "mlflow-spreading"))
    told.write_text(json.dumps({"propagation": LAG}))
    with sandbox() as bench:
        assert bench.run("plan", "--sandbox", str(spec)).code == 2
        assert bench.run("sandbox", "conditions", str(told)).code == 0
        ended = bench.run("apply", "--sandbox", "--yes", str(spec), timeout=600)
        assert ended.code == 0, ended.said
        refused = bench.run("sandbox", "log", "--last", "0", "--failed").out
        assert "has not been used in project" in refused
        assert "mlflow-quickstart-run@mlflow-spreading.iam.gserviceaccount.com does not exist" in refused
        assert "Permission 'storage.objects.get' denied" in refused
        again = bench.run("plan", "--sandbox", str(spec))
        assert again.code == 0, again.said
