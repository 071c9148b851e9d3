"""Which parameters are resampled together: groups of one container and one rate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np

from pipeline.decode import Plan
from pipeline.decode.definitions.layout import ALWAYS
from pipeline.mission.folder import Mission, ranges_for, rule_for
from pipeline.models.shared.contract import GroupParameter
from schemas.columns import I8
from schemas.mission import Parameter
from schemas.settings import ResampleRule

OPEN = (math.inf,) * 5


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters of one container that share a resample rule, and come together.

    columns: indices among the ordered columns. always: in every packet of the container.
    """

    rule: ResampleRule
    parameters: tuple[GroupParameter, ...]
    qualified_names: tuple[str, ...]
    columns: I8
    always: bool = True


def watched_columns(mission: Mission, plan: Plan) -> I8:
    """Columns used after decoding: not primary header, times, texts, binaries or ignored ones."""
    times = mission.settings.time.parts
    return np.array(
        [
            i
            for i, f in enumerate(plan.fields)
            if not f.in_primary_header
            and f.parameter.type.kind not in ("time", "binary", "string")
            and f.parameter.name not in times
            and not any(fnmatchcase(f.parameter.name, p) for p in mission.settings.ignore)
        ],
        np.int64,
    )


def make_groups(mission: Mission, plan: Plan, watched: I8) -> list[Group]:
    """Groups in the order of their first parameters; those that may be absent come last."""
    by_rule: dict[tuple[float, str, float, int, bool], list[int]] = {}
    rules: dict[tuple[float, str, float, int, bool], ResampleRule] = {}
    for place, column in enumerate(watched):
        name = plan.fields[column].parameter.name
        rule = rule_for(name, mission.settings.resample)
        presence = plan.fields[column].presence
        key = (rule.hz, rule.method, rule.max_age_s, presence, rule.counter)
        by_rule.setdefault(key, []).append(place)
        rules[key] = rule
    groups = []
    for key, places in sorted(by_rule.items(), key=lambda item: item[0][3] != ALWAYS):
        chosen = [plan.fields[watched[i]].parameter for i in places]
        parameters = [group_parameter(mission, p) for p in chosen]
        names = tuple(p.qualified_name for p in chosen)
        if rules[key].counter:  # its limits apply to the value, not to the unwrapped count
            parameters = [replace(p, low=tuple(-x for x in OPEN), high=OPEN) for p in parameters]
        columns = np.array(places, np.int64)
        groups.append(Group(rules[key], tuple(parameters), names, columns, key[3] == ALWAYS))
    return groups


def group_parameter(mission: Mission, parameter: Parameter) -> GroupParameter:
    """What a model may know of a parameter: its ranges in force, open where there are none."""
    ranges = ranges_for(mission.settings, parameter)
    low, high = (ranges.low, ranges.high) if ranges else (tuple(-x for x in OPEN), OPEN)
    return GroupParameter(parameter.name, parameter.type, low, high)


def warnings_of(mission: Mission, plans: Sequence[Plan]) -> Iterator[str]:
    """What will be a nuisance in flight; `heartline check` reports it beforehand."""
    timeless = [p.container for p in plans if not _has_time(mission, p)]
    if timeless:
        yield (
            f"{len(timeless)} containers have no time of their own and take reception time, which "
            f"a file does not have (`run --begin --hz`): {', '.join(timeless[:5])}"
        )
    noisy = []
    for p in {f.parameter.name: f.parameter for plan in plans for f in plan.fields}.values():
        ranges, rule = ranges_for(mission.settings, p), mission.settings.alarms.get(p.name)
        plain = ranges is not None and any(map(math.isfinite, (*ranges.low, *ranges.high)))
        held = rule is not None and (rule.deadband or rule.min_s or rule.latch)
        if plain and p.type.kind == "float" and not held:
            noisy.append(p.name)
    if noisy:
        few = ", ".join(noisy[:5]) + (f" and {len(noisy) - 5} more" if len(noisy) > 5 else "")
        yield (
            f"{len(noisy)} limits have no deadband, min_s or latch, so noise about one makes its "
            f"alarm flap: {few}. [alarms.NAME] in mission.toml gives them one."
        )


def _has_time(mission: Mission, plan: Plan) -> bool:
    named, names = mission.settings.time.parts, {f.parameter.name for f in plan.fields}
    if named:
        return bool(names.intersection(named))
    return any(f.parameter.type.kind == "time" for f in plan.fields)


def gauged(mission: Mission, plans: Sequence[Plan]) -> list[str]:
    """Qualified names of the parameters with statistics that `gauges` in mission.toml matches."""
    patterns = mission.settings.gauges
    every = (
        plan.fields[column].parameter for plan in plans for column in watched_columns(mission, plan)
    )
    found = {p.qualified_name: None for p in every if any(fnmatchcase(p.name, x) for x in patterns)}
    return list(found)
