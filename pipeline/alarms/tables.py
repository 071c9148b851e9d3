"""The alarms of one container as tables: what each check looks at, and how long it must persist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.alarms.change import ChangeLimits
from pipeline.alarms.monitor import Monitor
from pipeline.alarms.state import StateLimits
from pipeline.alarms.static import NO_CHOICE, Limits, Ranges
from pipeline.decode import Plan
from pipeline.mission.folder import Mission, ranges_for
from schemas.columns import F8, I8
from schemas.mission import AlarmRanges, Criteria, Five
from schemas.settings import AlarmRule

SECOND = 1_000_000_000
_NO_RULE = AlarmRule("", None)


@dataclass(frozen=True, slots=True)
class AlarmTable:
    limits: Limits
    changes: ChangeLimits
    states: StateLimits
    monitor: Monitor


@dataclass(frozen=True, slots=True)
class _Variants:
    """Every variant of every alarm, in the order of the columns they belong to.

    columns i8[a]; slot i8[v]: place of a variant's column among those.
    """

    columns: I8
    slot: I8
    alarms: list[AlarmRanges]

    def of(self, key: str) -> tuple[I8, I8, I8]:
        """(columns, slots, variants) of those that have such a check."""
        variant = np.array([v for v, a in enumerate(self.alarms) if getattr(a, key)], np.int64)
        return self.columns[self.slot[variant]], self.slot[variant], variant


def alarm_table(mission: Mission, plan: Plan) -> AlarmTable:
    found = [(i, ranges_for(mission.settings, f.parameter)) for i, f in enumerate(plan.fields)]
    alarms = [(i, a) for i, a in found if a]
    columns = np.array([i for i, _ in alarms], np.int64)
    sizes = [len(a.variants) for _, a in alarms]
    slot = np.repeat(np.arange(len(alarms)), sizes)
    all_of = _Variants(columns, slot, [v for _, a in alarms for v in a.variants])
    names = [plan.fields[i].parameter.name for i in columns]
    rules = [mission.settings.alarms.get(name, _NO_RULE) for name in names]
    limits = Limits(
        columns,
        np.cumsum([0, *sizes])[:-1],
        np.array([_asked(plan, i, a.contexts) for i, a in alarms], np.int64),
        np.array([plan.fields[i].parameter.type.kind in ("string", "binary") for i in columns],
                 np.uint8),
        _ranges(plan, all_of),
        np.array([r.deadband for r in rules]),
    )  # fmt: skip
    monitor = Monitor(
        np.array([a.min_violations for a in all_of.alarms], np.int64),
        np.array([round(r.min_s * SECOND) for r in rules], np.int64),
        np.array([a.min_conformance for a in all_of.alarms], np.int64),
        np.array([r.latch for r in rules], np.uint8),
    )
    return AlarmTable(limits, _changes(all_of), _states(all_of), monitor)


def _asked(plan: Plan, column: int, choices: Sequence[tuple[Criteria, object]]) -> int:
    return plan.choice(column, tuple(c for c, _ in choices)) if choices else NO_CHOICE


def _bounds(sides: Sequence[Five]) -> F8:
    """f8[5, n]: a row a level."""
    return np.array(sides, np.float64).reshape(len(sides), 5).T.copy()


def _ranges(plan: Plan, all_of: _Variants) -> Ranges:
    alarms, columns = all_of.alarms, all_of.columns[all_of.slot].tolist()
    bands = [b for a in alarms for b in a.bands]
    levels = [level for a in alarms for _, level in a.conditions]
    return Ranges(
        _bounds([a.low for a in alarms]),
        _bounds([a.high for a in alarms]),
        np.cumsum([0, *(len(a.bands) for a in alarms)]),
        np.array([b.level for b in bands], np.uint8),
        np.array([b.low for b in bands], np.float64),
        np.array([b.high for b in bands], np.float64),
        np.array(
            [_asked(plan, i, a.conditions) for i, a in zip(columns, alarms, strict=True)], np.int64
        ),
        np.cumsum([0, *(len(a.conditions) for a in alarms)]),
        np.array(levels, np.uint8),
    )


def _changes(all_of: _Variants) -> ChangeLimits:
    columns, slot, variant = all_of.of("change")
    found = [c for v in variant if (c := all_of.alarms[v].change)]
    low, high = (_bounds([getattr(c, side) for c in found]) for side in ("low", "high"))
    per_second = np.array([c.per_second for c in found], np.uint8)
    return ChangeLimits(columns, slot, variant, low, high, per_second)


def _states(all_of: _Variants) -> StateLimits:
    columns, slot, variant = all_of.of("states")
    found = [s for v in variant if (s := all_of.alarms[v].states)]
    levels = [pair for s in found for pair in s.levels]
    return StateLimits(
        columns, slot, variant,
        np.array([s.default for s in found], np.uint8),
        np.cumsum([0, *(len(s.levels) for s in found)]),
        np.array([value for value, _ in levels], np.int64),
        np.array([level for _, level in levels], np.uint8),
    )  # fmt: skip
