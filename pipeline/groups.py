"""What of each container is resampled with what: groups of one container and one rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from pipeline.decode import Plan
from pipeline.decode.layout import ALWAYS
from pipeline.limits import Limits
from pipeline.limits_of_change import ChangeLimits
from pipeline.limits_of_state import StateLimits
from pipeline.mission import Mission, ranges_for, rule_for
from pipeline.models.contract import GroupParameter
from schemas.columns import F8, I8
from schemas.mission import ALARM_LEVELS, AlarmRanges, Five, Parameter
from schemas.settings import ResampleRule

PRIMARY_HEADER_BITS = 48
OPEN = (math.inf,) * 5


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters of one container that share a resample rule, and come together.

    columns: among the ordered ones. always: in every packet of the container.
    """

    rule: ResampleRule
    parameters: tuple[GroupParameter, ...]
    qualified_names: tuple[str, ...]
    columns: I8
    always: bool = True


def watched_columns(mission: Mission, plan: Plan) -> I8:
    """Fields that go beyond decoding: no primary header, no time, nothing wide or ignored."""
    time = mission.settings.time
    times = {time.parameter, time.day, time.milliseconds, time.microseconds}
    return np.array(
        [
            i
            for i, f in enumerate(plan.fields)
            if not 0 <= f.bit < PRIMARY_HEADER_BITS
            and f.parameter.type.kind not in ("time", "binary", "string")
            and f.parameter.name not in times
            and not any(fnmatchcase(f.parameter.name, p) for p in mission.settings.ignore)
        ],
        np.int64,
    )


def make_groups(mission: Mission, plan: Plan, watched: I8) -> list[Group]:
    """Groups in the order of their first parameters; those that may be absent come last."""
    by_rule: dict[tuple[float, str, float, int], list[int]] = {}
    rules: dict[tuple[float, str, float, int], ResampleRule] = {}
    for place, column in enumerate(watched):
        name = plan.fields[column].parameter.name
        rule = rule_for(name, mission.settings.resample)
        presence = plan.fields[column].presence
        key = (rule.hz, rule.method, rule.max_age_s, presence)
        by_rule.setdefault(key, []).append(place)
        rules[key] = rule
    groups = []
    for key, places in sorted(by_rule.items(), key=lambda item: item[0][3] != ALWAYS):
        chosen = [plan.fields[watched[i]].parameter for i in places]
        parameters = [group_parameter(mission, p) for p in chosen]
        names = tuple(p.qualified_name for p in chosen)
        columns = np.array(places, np.int64)
        groups.append(Group(rules[key], tuple(parameters), names, columns, key[3] == ALWAYS))
    return groups


def group_parameter(mission: Mission, parameter: Parameter) -> GroupParameter:
    """What a model may know of a parameter: its ranges in force, open where there are none."""
    ranges = ranges_for(mission.settings, parameter)
    low, high = (ranges.low, ranges.high) if ranges else (tuple(-x for x in OPEN), OPEN)
    return GroupParameter(parameter.name, parameter.type, low, high)


@dataclass(frozen=True, slots=True)
class AlarmTable:
    """Alarms of one container: what each check looks at, and the persistence of their monitor."""

    limits: Limits
    changes: ChangeLimits
    states: StateLimits
    min_violations: I8
    min_conformance: I8


def alarm_table(mission: Mission, plan: Plan) -> AlarmTable:
    rows: list[tuple[int, AlarmRanges, float]] = []
    for i, f in enumerate(plan.fields):
        found = ranges_for(mission.settings, f.parameter)
        if found:
            rule = mission.settings.alarms.get(f.parameter.name)
            rows.append((i, found, rule.deadband if rule else 0.0))
    columns = np.array([i for i, _, _ in rows], np.int64)
    ranges = [r for _, r, _ in rows]
    deadband = np.array([d for _, _, d in rows])
    return AlarmTable(
        Limits(
            columns, _bounds([r.low for r in ranges]), _bounds([r.high for r in ranges]), deadband
        ),
        _change_limits(columns, ranges),
        _state_limits(columns, ranges),
        np.array([r.min_violations for r in ranges], np.int64),
        np.array([r.min_conformance for r in ranges], np.int64),
    )


def _bounds(sides: Sequence[Five]) -> F8:
    """f8[5, n]: a row a level."""
    return np.array(sides, np.float64).reshape(len(sides), 5).T.copy()


def _change_limits(columns: I8, ranges: Sequence[AlarmRanges]) -> ChangeLimits:
    found = [(j, r.change) for j, r in enumerate(ranges) if r.change]
    slot = np.array([j for j, _ in found], np.int64)
    low, high = (_bounds([getattr(c, side) for _, c in found]) for side in ("low", "high"))
    per_second = np.array([c.per_second for _, c in found], np.uint8)
    return ChangeLimits(columns[slot], slot, low, high, per_second)


def _state_limits(columns: I8, ranges: Sequence[AlarmRanges]) -> StateLimits:
    found = [(j, r.states) for j, r in enumerate(ranges) if r.states]
    slot = np.array([j for j, _ in found], np.int64)
    levels = [pair for _, s in found for pair in s.levels]
    return StateLimits(
        columns[slot], slot,
        np.array([s.default for _, s in found], np.uint8),
        np.cumsum([0, *(len(s.levels) for _, s in found)]),
        np.array([value for value, _ in levels], np.int64),
        np.array([level for _, level in levels], np.uint8),
    )  # fmt: skip


def gauge_limits(
    mission: Mission, cap: int
) -> tuple[frozenset[str], list[tuple[str, str, str, float]]]:
    """Qualified names of the parameters chosen as gauges, and (name, level, side, limit) of each.

    Chosen are those that `gauges` in mission.toml matches, at most `cap` of them.
    """
    names = [
        p.name
        for p in mission.mdb.parameters.values()
        if any(fnmatchcase(p.name, pattern) for pattern in mission.settings.gauges)
    ][:cap]
    limits = []
    for name in names:
        ranges = ranges_for(mission.settings, mission.mdb.parameters[name])
        if ranges is None:
            continue
        for level, low, high in zip(ALARM_LEVELS, ranges.low, ranges.high, strict=True):
            for side, value in (("low", low), ("high", high)):
                if math.isfinite(value):
                    limits.append((name, level.word, side, value))
    chosen = frozenset(mission.mdb.parameters[n].qualified_name for n in names)
    return chosen, limits
