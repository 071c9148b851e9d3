"""The alarms of one container as tables: what each check looks at, and how long it must persist."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.alarms.check import Check, Variants, bounds_of
from pipeline.alarms.checks import CHECKS
from pipeline.alarms.monitor import Monitor
from pipeline.alarms.static import Judged, Limits, Ranges
from pipeline.decode import Plan
from pipeline.mission.folder import Mission, ranges_for
from schemas.columns import SECOND
from schemas.settings import AlarmRule

_NO_RULE = AlarmRule("", None)


@dataclass(frozen=True, slots=True)
class AlarmTable:
    """limits: the static ranges, which set the levels first; checks: others, which raise them."""

    limits: Limits
    checks: tuple[Check, ...]
    monitor: Monitor


def alarm_table(mission: Mission, plan: Plan) -> AlarmTable:
    found = [(i, ranges_for(mission.settings, f.parameter)) for i, f in enumerate(plan.fields)]
    alarms = [(i, a) for i, a in found if a]
    columns = np.array([i for i, _ in alarms], np.int64)
    sizes = [len(a.variants) for _, a in alarms]
    slot = np.repeat(np.arange(len(alarms)), sizes)
    all_of = Variants(plan, columns, slot, [v for _, a in alarms for v in a.variants])
    names = [plan.fields[i].parameter.name for i in columns]
    rules = [mission.settings.alarms.get(name, _NO_RULE) for name in names]
    kinds = [plan.fields[i].parameter.type.kind for i in columns]
    judged = Judged(
        columns,
        first=np.cumsum([0, *sizes])[:-1],
        context=np.array([all_of.asked(i, a.contexts) for i, a in alarms], np.int64),
        text=np.array([kind in ("string", "binary") for kind in kinds], np.uint8),
        deadband=np.array([r.deadband for r in rules]),
    )
    limits = Limits(judged, _ranges(all_of))
    monitor = Monitor(
        np.array([a.min_violations for a in all_of.alarms], np.int64),
        np.array([round(r.min_s * SECOND) for r in rules], np.int64),
        np.array([a.min_conformance for a in all_of.alarms], np.int64),
        np.array([r.latch for r in rules], np.uint8),
    )
    return AlarmTable(limits, tuple(check.of(all_of) for check in CHECKS), monitor)


def _ranges(all_of: Variants) -> Ranges:
    alarms = all_of.alarms
    bands = [b for a in alarms for b in a.bands]
    return Ranges(
        bounds_of([a.low for a in alarms]),
        bounds_of([a.high for a in alarms]),
        np.cumsum([0, *(len(a.bands) for a in alarms)]),
        np.array([b.level for b in bands], np.uint8),
        np.array([b.low for b in bands], np.float64),
        np.array([b.high for b in bands], np.float64),
    )
