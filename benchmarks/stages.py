"""Where the chain's time goes: ns a sample in each kernel, beside what memory would allow."""

from __future__ import annotations

import importlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from benchmarks.chain import begun, chunks, mission, records, tables
from benchmarks.timing import median, median_of_fresh
from pipeline.across import Across
from pipeline.chain import Chain
from schemas.records import Records

PARAMETERS, SECONDS, RECORDS = 1000, 3000, 818
# kernel: module, and bytes that one sample moves beyond the state that stays in the cache
KERNELS = {
    "read": ("pipeline.packets.reader", 4),
    "classify": ("pipeline.decode.kernels.classify", 0),
    "decode": ("pipeline.decode.kernels.rows", 4 + 17),
    "static_levels": ("pipeline.alarms.static", 9 + 2),
    "step": ("pipeline.alarms.monitor", 6),
    "order": ("pipeline.timeline.order", 9 + 9),
    "resample": ("pipeline.timeline.resample", 9 + 9),
    "window": ("pipeline.statistics.stage", 2 * 9),
    "score": ("pipeline.models.residual", 9 + 17),
    "track": ("pipeline.models.time_to_limit", 9 + 18),
    "rest": ("pipeline.models.flat", 9 + 17),
    "collect": ("pipeline.outputs.samples", 4 + 5),
    "keep": ("pipeline.outputs.closings", 2 * 10),
    "write": ("pipeline.outputs.statistics", 10 + 9),
}
CALLERS = {"decode": "pipeline.decode.decoder", "classify": "pipeline.decode.decoder"}


@contextmanager
def timed(spent: Counter[str]) -> Iterator[None]:
    """Every kernel of the chain, with its time added up."""
    put_back: list[tuple[Any, str, Any]] = []

    def wrap(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def around(*given: Any) -> Any:
            begun = time.perf_counter_ns()
            done = work(*given)
            spent[name] += time.perf_counter_ns() - begun
            return done

        return around

    for name, (home, _) in KERNELS.items():
        module = importlib.import_module(CALLERS.get(name, home))
        put_back.append((module, name, getattr(module, name)))
        setattr(module, name, wrap(name, getattr(module, name)))
    put_back.append((Across, "run", Across.run))
    Across.run = _added(spent)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module, name, work in put_back:
            setattr(module, name, work)


def _added(spent: Counter[str]) -> Callable[..., Any]:
    work = Across.run

    def around(self: Across, sites: Any) -> Any:
        begun = time.perf_counter_ns()
        done = work(self, sites)
        spent[self.name] += time.perf_counter_ns() - begun
        return done

    return around


def fly(chain: Chain, given: list[Records]) -> None:
    """Every output is made, and its bytes, but for what a lane does with them."""
    for chunk in given:
        chain.feed(chunk)


def run() -> list[str]:
    found = tables(PARAMETERS)
    given, settings = chunks(records(found, SECONDS), RECORDS), mission(found)
    samples = PARAMETERS * (SECONDS - len(given[0]) // 2)
    make, work = partial(begun, settings, given[0]), partial(fly, given=given[1:])
    whole = median_of_fresh(make, work)
    spent: Counter[str] = Counter()
    made = make()  # a program takes the kernels as they are when it is made
    with timed(spent):
        work(made)
    block = np.ones(1 << 23)
    into = np.empty_like(block)
    copied = 2 * block.nbytes / median(lambda: np.copyto(into, block))
    lines = [
        f"where the time goes, {PARAMETERS} parameters, all outputs made, ns a sample",
        f"  (memory copies {copied / 1e9:.1f} GB/s on one core)",
        "  kernel          measured   what its bytes would take",
    ]
    for name, ns in spent.most_common():
        least = KERNELS.get(name, ("", 0))[1] / copied * 1e9
        lines.append(f"  {name:14s}{ns / samples:10.2f}{least:12.2f}")
    rest = whole * 1e9 / samples - sum(spent.values()) / samples
    lines.append(f"  {'the rest':14s}{rest:10.2f}   calls, arrays made, outputs numbered")
    lines.append(f"  {'all':14s}{whole * 1e9 / samples:10.2f}")
    return lines
