"""All that will happen to one parameter, from its bits to an alert: `heartline check --explain`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from pipeline.chain.groups import group_parameter, watched_columns
from pipeline.decode import Field, Plan, compile_plans
from pipeline.decode.definitions.layout import ALWAYS
from pipeline.errors import MissionError
from pipeline.mdb.words import type_words, words
from pipeline.mission.folder import Mission, ranges_for, rule_for
from pipeline.models.families import FAMILIES, MODEL_KINDS, rules_of
from pipeline.models.shared.family import Family
from schemas.mission import Parameter


def explain(mission: Mission, name: str) -> list[tuple[str, str]]:
    """(step, what happens there) in the order of the chain. MissionError: no such parameter."""
    plans = compile_plans(mission.mdb, mission.settings.time).plans
    found = [(p, i, f) for p in plans for i, f in enumerate(p.fields) if f.parameter.name == name]
    if not found:
        close = [f.parameter.name for p in plans for f in p.fields if name.lower() in
                 f.parameter.name.lower()][:6]  # fmt: skip
        hint = f" Like it: {', '.join(close)}." if close else ""
        raise MissionError(f"{mission.mdb.path}: no container holds a parameter {name!r}.{hint}")
    told: list[tuple[str, str]] = []
    for plan, column, field in found:
        told += _in_one(mission, plan, column, field)
    return told


def _in_one(mission: Mission, plan: Plan, column: int, field: Field) -> Iterator[tuple[str, str]]:
    parameter = field.parameter
    yield "parameter", f"{parameter.qualified_name} in container {plan.qualified_name}"
    yield "bits", _place(field)
    yield "type", type_words(parameter.type)
    yield from _engineering(parameter)
    yield from _alarm(mission, parameter)
    if column not in watched_columns(mission, plan):
        yield "resample", "no: a header, a time, a text or binary, or ignored in mission.toml"
        return
    settings = mission.settings
    rule = rule_for(parameter.name, settings.resample)
    counter = "; a counter, whose wraps are no steps" if rule.counter else ""
    yield (
        "resample",
        f"to {rule.hz:g} Hz by {rule.method}; stale after {rule.max_age_s:g} s{counter}",
    )
    for w in settings.statistics:
        yield "statistics", f"over {w.window_s:g} s, at the end of every {w.pane_s:g} s"
    yield from _models(mission, parameter)
    gauge = any(fnmatchcase(parameter.name, g) for g in settings.gauges)
    yield "Prometheus gauges", "yes" if gauge else "no: no pattern of `gauges` matches"


def _place(field: Field) -> str:
    if field.derived:
        return "none: it is computed"
    at = "where the packet decides" if field.bit < 0 else f"at bit {field.bit}"
    size = "of a varying number" if field.bits < 0 else f"{field.bits} of them"
    return f"{at}, {size}" + ("" if field.presence == ALWAYS else ", in some packets only")


def _engineering(parameter: Parameter) -> Iterator[tuple[str, str]]:
    kind = parameter.type
    if kind.calibrator:
        yield "calibrator", words(kind.calibrator)
    for criteria, calibrator in kind.context_calibrators:
        yield "calibrator", f"{words(calibrator)} where {words(criteria)}"
    if kind.labels:
        yield "labels", words(kind.labels)
    if kind.valid:
        yield "valid", f"from {kind.valid[0]:g} to {kind.valid[1]:g}; else invalid"
    yield "unit", kind.unit or "none"


def _alarm(mission: Mission, parameter: Parameter) -> Iterator[tuple[str, str]]:
    ranges = ranges_for(mission.settings, parameter)
    if ranges is None:
        yield "alarm", "none"
        return
    rule = mission.settings.alarms.get(parameter.name)
    yield (
        "alarm",
        words(ranges) + (", of mission.toml" if rule and rule.ranges else ", of the XTCE"),
    )
    if rule:
        latch = "; latched until acknowledged" if rule.latch else ""
        yield "alarm persists", f"deadband {rule.deadband:g}, for {rule.min_s:g} s or more{latch}"


def _models(mission: Mission, parameter: Parameter) -> Iterator[tuple[str, str]]:
    for family in FAMILIES:
        rule: Any = rule_for(parameter.name, rules_of(mission.settings, family))
        name = family.name.replace("_", " ")
        if parameter.type.kind not in MODEL_KINDS or not rule.enabled:
            why = "switched off" if parameter.type.kind in MODEL_KINDS else "no number to follow"
            yield name, f"no: {why}"
        else:
            yield (
                name,
                ", ".join(f"{k} {_plain(v)}" for k, v in _settings(rule))
                + _aim(mission, parameter, family),
            )


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _settings(rule: Any) -> Iterator[tuple[str, Any]]:
    for key in (f.name for f in dataclasses.fields(rule)):
        if key not in ("match", "enabled"):
            yield key.replace("_", " "), getattr(rule, key)


def _aim(mission: Mission, parameter: Parameter, family: type[Family]) -> str:
    aim = family.aim(group_parameter(mission, parameter))
    return f"; {aim}" if aim else ""
