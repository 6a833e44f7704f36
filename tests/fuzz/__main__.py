"""Coverage-guided fuzzing, for as long as it is given: `python -m tests.fuzz spec|plan|http [SECONDS] [CORPUS]`.

Needs `atheris` (pip install atheris). What it finds is written here, as crash-…; a corpus that is named is kept.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONGEST = 4096
MEGABYTES = 1500


def main() -> None:
    """Fuzz one target. Ends the process: 0 when the time is over, else what libFuzzer says."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=["spec", "plan", "http"])
    parser.add_argument("seconds", nargs="?", type=int, default=60)
    parser.add_argument("corpus", nargs="?", type=Path, default=None)
    asked = parser.parse_args()
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["reconciler"]):
        targets = importlib.import_module("tests.fuzz.targets")
    seeds = importlib.import_module("tests.fuzz.seeds")
    folder = Path(tempfile.mkdtemp(prefix="fuzz", dir="/tmp"))
    corpus: Path = asked.corpus or folder / "corpus"
    corpus.mkdir(exist_ok=True)

    def run(one: Callable[[bytes], object], start: list[bytes]) -> None:
        for number, data in enumerate(start):
            (corpus / f"seed{number}").write_bytes(data)
        limits = [f"-max_len={LONGEST * 4}", "-timeout=20", f"-rss_limit_mb={MEGABYTES}", "-seed=1"]
        atheris.Setup(["fuzz", str(corpus), f"-max_total_time={asked.seconds}", *limits], one)
        atheris.Fuzz()

    if asked.target == "spec":
        run(lambda data: targets.spec(folder, data), seeds.specs())
    elif asked.target == "plan":
        run(lambda data: targets.plan_file(folder, data, sealing=True), [targets.plan_seed(folder)])
    else:
        with targets.sandbox() as http:
            run(http.request, seeds.requests())


if __name__ == "__main__":
    main()
