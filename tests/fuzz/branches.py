"""Which branches of the parsing code the inputs took, by the `coverage` package."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import coverage

CODE = (
    "pipeline/mdb/*", "pipeline/formats/*", "pipeline/mission/folder.py", "pipeline/packets/*",
    "pipeline/chain/control.py", "pipeline/mission/correlation.py", "schemas/artefact.py", "schemas/control.py",
)  # fmt: skip
# inputs traced, a target: every `each`-th, and no more than `most`; tracing makes them slow
TEXTS = ("mission.toml", "correlation", "flight", "long csv", "parquet", "ulog")
SAMPLES = {"database": (1, 6000), "control": (1, 100), **dict.fromkeys(TEXTS, (1, 3000))}
OTHERS = (1, 12)


class Branches:
    def __init__(self) -> None:
        self._coverage = coverage.Coverage(
            data_file=None, branch=True, include=list(CODE), config_file=False, messages=False
        )

    @contextmanager
    def tracing(self) -> Iterator[None]:
        self._coverage.start()
        try:
            yield
        finally:
            self._coverage.stop()

    def sample(self, target: Any, number: int) -> Any:
        each, most = SAMPLES.get(target.name, OTHERS)
        return self.tracing() if number % each == 0 and number < each * most else nullcontext()

    def lines(self) -> list[str]:
        """Branches taken of those there are, by file; kernels are compiled and leave no trace."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "coverage.json"
            self._coverage.json_report(outfile=str(path))
            told = json.loads(path.read_text())
        rows = [
            f"branches {_share(told['totals'])} of {', '.join(CODE)} (kernels compiled: untraced)"
        ]
        return rows + [
            f"  {_share(file['summary'])}  {name}"
            for name, file in sorted(told["files"].items())
            if file["summary"]["num_branches"]
        ]


def _share(summary: dict[str, int]) -> str:
    taken, there = summary["covered_branches"], summary["num_branches"]
    return f"{taken}/{there} ({100 * taken / max(there, 1):.0f}%)"
