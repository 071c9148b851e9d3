"""The run: inputs of every target in turn until the bytes are spent; what is found is written."""

from __future__ import annotations

import json
import resource
import signal
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz import inputs
from tests.fuzz.catalog import TARGETS
from tests.fuzz.targets import Target, work_folder

SLOW_S = 60  # an input that takes longer hangs
GREEDY_MB = 500  # memory that no single input may take, beyond what was taken before it


@dataclass(slots=True)
class Tally:
    """What one target had."""

    inputs: int = 0
    bytes: int = 0
    mutated: int = 0  # bytes of valid input that was changed
    seconds: float = 0.0
    slowest: tuple[float, int] = (0.0, 0)  # seconds, number of the input
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Find:
    target: str
    seed: int
    number: int
    error: str
    trace: str


class HangError(BaseException):
    """An input took longer than SLOW_S. No Exception: code that takes any of them must not take it."""


class GreedError(Exception):
    """An input took more memory than GREEDY_MB."""


@contextmanager
def limited() -> Iterator[None]:
    """HangError where Python code goes on for too long (a kernel cannot be stopped)."""

    def stop(*_: object) -> None:
        raise HangError(f"more than {SLOW_S} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SLOW_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


Sample = Callable[[Target, int], AbstractContextManager[Any]]


def untraced(*_: object) -> AbstractContextManager[Any]:
    return nullcontext()


def warm() -> None:
    """Have every kernel compiled: a first input must not look like a hang."""
    with work_folder() as folder:
        for target in TARGETS:
            target.run(inputs.seeded(0, target.name, 0), Path(folder))


def run(
    seed: int,
    total: int,
    targets: Sequence[Target] = TARGETS,
    sample: Sample = untraced,
    least: int = 1,
) -> tuple[dict[str, Tally], list[Find]]:
    """Feed about `total` bytes, and `least` inputs of each target or more.

    sample: a context for each input, which may trace it.
    """
    tallies = {t.name: Tally() for t in targets}
    finds: list[Find] = []
    whole = sum(t.share for t in targets)
    with work_folder() as folder:
        for target in targets:
            tally, wanted = tallies[target.name], total * target.share / whole
            while tally.bytes < wanted or tally.inputs < least:
                with sample(target, tally.inputs):
                    finds += one(target, seed, tally, Path(folder))
    return tallies, finds


def one(target: Target, seed: int, tally: Tally, folder: Path) -> list[Find]:
    """The next input of a target."""
    number, begun, taken = tally.inputs, time.perf_counter(), peak_mb()
    tally.inputs += 1
    try:
        with limited(), warnings.catch_warnings():
            warnings.simplefilter("error")
            given, refused = target.run(inputs.seeded(seed, target.name, number), folder)
        if peak_mb() - taken > GREEDY_MB:
            raise GreedError(f"{peak_mb() - taken} MB")
    except (Exception, HangError) as error:  # noqa: BLE001 - whatever comes out is what a fuzz looks for
        tally.bytes += 1
        return [Find(target.name, seed, number, repr(error)[:300], traceback.format_exc())]
    finally:
        took = time.perf_counter() - begun
        tally.seconds += took
        tally.slowest = max(tally.slowest, (took, number))
    tally.bytes += given.size
    tally.mutated += given.size if given.mutated else 0
    tally.refused += refused
    return []


def peak_mb() -> int:
    """Of the whole process until now, interpreter and compiled kernels with it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def write(find: Find, folder: Path) -> Path:
    """A file that tells the find: seed, target, number, and where it went wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{find.target.replace(' ', '-')}-{find.seed}-{find.number}.json"
    path.write_text(json.dumps({
        "target": find.target, "seed": find.seed, "number": find.number,
        "error": find.error, "trace": find.trace,
    }, indent=1))  # fmt: skip
    return path
