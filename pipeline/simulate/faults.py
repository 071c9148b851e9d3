"""Faults: slow ones that head for a critical limit, abrupt ones that do not announce themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pipeline.simulate.vehicle import SYSTEM, TABLES
from schemas.columns import F8

Values = dict[str, F8]
Times = dict[str, F8]  # mission time of each parameter's samples


@dataclass(slots=True)
class Fault:
    """One fault as it was flown. Times are mission time, s."""

    kind: str
    slow: bool
    parameters: list[str]
    onset: float
    until: float  # when it was meant to reach its limit, or when it ends
    crossings: dict[str, float] = field(default_factory=dict)  # parameter: critical limit crossed


def _ramp(t: F8, onset: float, until: float) -> F8:
    """0 before the onset, 1 at `until`, and on at the same pace."""
    return np.clip((t - onset) / (until - onset), 0.0, None)


def _bearing_wear(v: Values, t: Times, a: float, b: float) -> None:
    v["TP_VIB_BRG"] += 8.0 * _ramp(t["TP_VIB_BRG"], a, b) * (v["TP_VIB_BRG"] > 1.0)
    v["BRG_TEMP"] += 70.0 * _ramp(t["BRG_TEMP"], a, b) * (v["BRG_TEMP"] > 320.0)


def _sticking_valve(v: Values, t: Times, a: float, b: float) -> None:
    v["MFV_CURR"] += 5.6 * _ramp(t["MFV_CURR"], a, b) * (v["MFV_CURR"] > 2.5)


def _slow_leak(v: Values, t: Times, a: float, b: float) -> None:
    v["HE_P"] -= np.minimum(152.0 * _ramp(t["HE_P"], a, b), v["HE_P"] - 1.0)


def _sensor_drift(v: Values, t: Times, a: float, b: float) -> None:
    v["BATT_V"] += 5.0 * _ramp(t["BATT_V"], a, b)


def _pump_losing_head(v: Values, t: Times, a: float, b: float) -> None:
    running = v["TP_SPEED"] > 20000.0
    v["TP_SPEED"] += 4100.0 * _ramp(t["TP_SPEED"], a, b) * running
    v["TP_OUT_P"] -= 30.0 * np.minimum(_ramp(t["TP_OUT_P"], a, b), 1.5) * running
    v["TURB_TEMP"] += 180.0 * _ramp(t["TURB_TEMP"], a, b) * (v["TURB_TEMP"] > 600.0)


def _tank_warming(v: Values, t: Times, a: float, b: float) -> None:
    v["LOX_T"] += 3.9 * _ramp(t["LOX_T"], a, b)


@dataclass(frozen=True, slots=True)
class SlowFault:
    """onset: range of mission times; lasts: range of seconds from onset to the critical limit."""

    parameters: tuple[str, ...]
    onset: tuple[float, float]
    lasts: tuple[float, float]
    apply: Callable[[Values, Times, float, float], None]


SLOW = {
    "bearing_wear": SlowFault(("TP_VIB_BRG", "BRG_TEMP"), (30, 60), (60, 95), _bearing_wear),
    "sticking_valve": SlowFault(("MFV_CURR",), (30, 60), (50, 95), _sticking_valve),
    "slow_leak": SlowFault(("HE_P",), (-230, -150), (100, 140), _slow_leak),
    "sensor_drift": SlowFault(("BATT_V",), (180, 240), (90, 140), _sensor_drift),
    "pump_losing_head": SlowFault(
        ("TP_SPEED", "TP_OUT_P", "TURB_TEMP"), (30, 60), (60, 95), _pump_losing_head
    ),
    "tank_warming": SlowFault(("LOX_T",), (-240, -120), (100, 200), _tank_warming),
}
STUCK = ("FUEL_T", "AVIONICS_T", "LOX_P", "BARO_P_A")
DROPPED = ("BARO", "TANKS", "THERMAL")
ABRUPT = ("stuck_sensor", "drop_out", "loss_of_signal")
KINDS = (*SLOW, *ABRUPT)


def plan_faults(kinds: tuple[str, ...], rng: np.random.Generator) -> list[Fault]:
    """When each fault happens. Draws the same numbers whichever faults are asked for."""
    planned = []
    for kind, slow in SLOW.items():
        onset, lasts = rng.uniform(*slow.onset), rng.uniform(*slow.lasts)
        planned.append(Fault(kind, True, list(slow.parameters), onset, onset + lasts))
    sensor = STUCK[rng.integers(len(STUCK))]
    onset = rng.uniform(420, 470)
    planned.append(Fault("stuck_sensor", False, [sensor], onset, onset + 60))
    table = DROPPED[rng.integers(len(DROPPED))]
    onset = rng.uniform(345, 360)
    lost = [table, *(c.name for t in TABLES if t.name == table for c in t.columns)]
    planned.append(Fault("drop_out", False, lost, onset, onset + rng.uniform(8, 15)))
    onset = rng.uniform(540, 560)
    everything = [SYSTEM, *(n for t in TABLES for n in (t.name, *(c.name for c in t.columns)))]
    planned.append(Fault("loss_of_signal", False, everything, onset, onset + rng.uniform(10, 25)))
    return [f for f in planned if f.kind in kinds]


def apply_slow(faults: list[Fault], values: Values, times: Times) -> None:
    for fault in faults:
        if fault.slow:
            SLOW[fault.kind].apply(values, times, fault.onset, fault.until)


def apply_stuck(faults: list[Fault], measured: Values, times: Times) -> None:
    """A stuck sensor has no noise, so this is applied after the noise."""
    for fault in faults:
        if fault.kind == "stuck_sensor":
            name = fault.parameters[0]
            inside = (times[name] >= fault.onset) & (times[name] < fault.until)
            if inside.any():
                measured[name][inside] = measured[name][np.argmax(inside)]


def lost(faults: list[Fault], table: str, t: F8) -> F8:
    """True where packets of a table do not arrive."""
    gone = np.zeros(len(t), bool)
    for fault in faults:
        if fault.kind in ("drop_out", "loss_of_signal") and table in fault.parameters:
            gone |= (t >= fault.onset) & (t < fault.until)
    return gone
