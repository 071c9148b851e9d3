"""Flies the vehicle once: packets, the XTCE they follow, and the truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipeline.formats.spec import Recorded, interleave, raw_of
from pipeline.formats.xtce import write_xtce
from pipeline.simulate.faults import (
    KINDS,
    Fault,
    apply_slow,
    apply_stuck,
    lost,
    plan_faults,
)
from pipeline.simulate.nominal import END, NOISE, RELATIVE, START, profiles
from pipeline.simulate.vehicle import RATES, SYSTEM, TABLES
from schemas.columns import F8
from schemas.mission import Level

EPOCH_NS = 1_772_366_400_000_000_000  # T-0: 2026-03-01T12:00:00Z
_CRITICAL = int(Level.CRITICAL) - 1


@dataclass(slots=True)
class Simulated:
    packets: bytes
    xtce: bytes
    truth: dict[str, Any]


def simulate(
    seed: int, faults: tuple[str, ...] = KINDS, start: float = START, end: float = END
) -> Simulated:
    """One flight from mission time `start` to `end`. ValueError for an unknown fault."""
    unknown = set(faults) - set(KINDS)
    if unknown:
        raise ValueError(f"unknown fault {', '.join(sorted(unknown))}; known: {', '.join(KINDS)}")
    rng = np.random.default_rng(seed)
    planned = plan_faults(faults, rng)
    times = {t.name: _times(RATES[t.name], start, end) for t in TABLES}
    values = profiles(times, rng)
    of = {c.name: times[t.name] for t in TABLES for c in t.columns}
    apply_slow(planned, values, of)
    _find_crossings(planned, values, of)
    measured = {name: _noisy(name, values[name], rng) for name in values}
    apply_stuck(planned, measured, of)
    recordings = []
    for table in TABLES:
        t = times[table.name]
        here = ~lost(planned, table.name, t).astype(bool)
        raw = {c.name: raw_of(c, measured[c.name][here]) for c in table.columns}
        at = EPOCH_NS + np.round(t[here] * 1e6).astype(np.int64) * 1000
        recordings.append(Recorded(table, at, raw, np.flatnonzero(here)))
    return Simulated(
        b"".join(interleave(recordings)),
        write_xtce(SYSTEM, TABLES, "A launch vehicle that never was, flown by heartline simulate."),
        _truth(seed, planned, start, end),
    )


def _times(rate: int, start: float, end: float) -> F8:
    return np.arange(round(start * rate), round(end * rate)) / rate


def _noisy(name: str, value: F8, rng: np.random.Generator) -> F8:
    noise = rng.normal(0.0, 1.0, len(value))
    if name in RELATIVE:
        return value * (1.0 + RELATIVE[name] * noise)
    return value + NOISE.get(name, 0.0) * noise


def _find_crossings(faults: list[Fault], values: dict[str, F8], times: dict[str, F8]) -> None:
    """When the true value, free of noise, first lies beyond its critical limit."""
    alarms = {c.name: c.alarm for t in TABLES for c in t.columns if c.alarm}
    for fault in faults:
        if not fault.slow:
            continue
        for name in fault.parameters:
            alarm = alarms[name]
            x, t = values[name], times[name]
            beyond = ((x < alarm.low[_CRITICAL]) | (x > alarm.high[_CRITICAL])) & (t > fault.onset)
            if beyond.any():
                fault.crossings[name] = float(t[np.argmax(beyond)])


def _truth(seed: int, faults: list[Fault], start: float, end: float) -> dict[str, Any]:
    return {
        "system": SYSTEM,
        "seed": seed,
        "t0_ns": EPOCH_NS,
        "start_s": start,
        "end_s": end,
        "faults": [
            asdict(f) | {"critical_s": min(f.crossings.values(), default=None)} for f in faults
        ],
    }
