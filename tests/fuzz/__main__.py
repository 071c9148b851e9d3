"""python -m tests.fuzz --bytes 100000000 --seed 1      (docs/fuzz.md)"""

from __future__ import annotations

import argparse
import faulthandler
import random
import sys
from pathlib import Path
from typing import Any

from tests.fuzz import kernels
from tests.fuzz.branches import Branches


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def noted(path: Path, sample: Any) -> Any:
    """Keep which input is under way in a file: a crash of the process tells nothing else."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def before(target: Any, number: int) -> Any:
        path.write_text(f"--target '{target.name}' --number {number}\n")
        return sample(target, number)

    return before


def main() -> int:
    faulthandler.enable()
    parser = argparse.ArgumentParser(prog="tests.fuzz")
    parser.add_argument("--bytes", type=int, default=100_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--least", type=int, default=300, help="inputs of each target, or more")
    parser.add_argument("--target", help="this one alone")
    parser.add_argument("--number", type=int, help="this input of --target alone, untamed")
    given = parser.parse_args()
    say(f"seed {given.seed}")
    branches = Branches()
    with branches.tracing():  # lines of the modules themselves run at their import
        from tests.fuzz import catalog, report, run, targets

    chosen = [t for t in catalog.TARGETS if given.target in (None, t.name)]
    if given.number is not None:
        with targets.work_folder() as folder:
            say(
                chosen[0].run(
                    run.inputs.seeded(given.seed, given.target, given.number), Path(folder)
                )
            )
        return 0
    run.warm()
    under_way = given.found / f"{given.seed}-under-way.txt"
    sample = noted(under_way, branches.sample)
    tallies, finds = run.run(given.seed, given.bytes, chosen, sample, given.least)
    under_way.unlink()
    for line in report.lines(tallies):
        say(line)
    for line in branches.lines():
        say(line)
    if given.target is None:
        for line in kernels.in_a_process(given.seed):
            say(line)
    for find in finds:
        path = run.write(find, given.found)
        say(f"FOUND {find.target} --seed {find.seed} --number {find.number}: {find.error} ({path})")
    say(f"{len(finds)} finds")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
