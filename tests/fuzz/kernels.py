"""Branches of the packet kernels, which compiled leave no trace: run as plain Python, slowly.

python -m tests.fuzz.kernels SEED     with NUMBA_DISABLE_JIT=1, as a process of its own
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

CODE = ("pipeline/packets/*",)
INPUTS = 25


def load_be64(array: Any, index: Any) -> Any:
    """What the intrinsic of that name does, which exists in compiled code alone."""
    return np.uint64(int.from_bytes(array[index : index + 8].tobytes(), "big"))


def in_a_process(seed: int) -> list[str]:
    """Branches taken, in lines; an empty list where that process fails."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.kernels", str(seed)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.splitlines() if done.returncode == 0 else [done.stderr[-300:]]


def main(seed: int) -> None:
    import coverage

    import pipeline.kernel

    pipeline.kernel.load_be64 = load_be64
    traced = coverage.Coverage(data_file=None, branch=True, include=list(CODE), config_file=False)
    traced.start()
    from pipeline.packets import PacketReader
    from tests.fuzz import inputs, targets
    from tests.fuzz.account import account
    from tests.reference.databases import Draw

    draw = Draw(random.Random(seed))
    draw.database()
    packets = (*draw.packets(60), bytes.fromhex("0fffc000000000"))
    for number in range(INPUTS):
        rnd = inputs.seeded(seed, "kernels", number)
        reader = PacketReader()
        records = inputs.records(rnd, packets, 20_000).content
        batch, refused = reader.feed(records)
        account(records, batch, refused)
        content = b"".join(r.value for r in records)[:20_000]
        targets.scan_in_pieces(rnd, content, rnd.choice((None, [100, 101, 102])))
    traced.stop()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        traced.json_report(outfile=str(path))
        files = json.loads(path.read_text())["files"]
    for name, file in sorted(files.items()):
        s = file["summary"]
        if s["num_branches"]:
            sys.stdout.write(
                f"  {s['covered_branches']}/{s['num_branches']}  {name}, its kernels not compiled\n"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]))
