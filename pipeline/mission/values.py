"""Checks the values of mission.toml, once their types are right: refuses impossible ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from pipeline.errors import Place, SettingsError
from pipeline.mdb.epochs import parse_epoch
from pipeline.models.families import BY_NAME, FAMILIES
from pipeline.models.shared.rules import ABOVE_0
from pipeline.statistics.panes import MAX_PANE_SAMPLES
from pipeline.timeline.resample import METHODS
from schemas.settings import (
    MAX_SECONDS,
    MIN_HZ,
    MOST_HELD,
    SAMPLES,
    STATISTICS,
    GateSettings,
    MissionSettings,
    OutputSettings,
    ResampleRule,
    TimeSettings,
    WindowSettings,
)
from schemas.space_packet import IDLE_APID

MIN_PANE_S = 1e-3
MIN_PERIOD_S = 0.001  # of samples in one record
_ABOVE_0 = ("half_life_s", "memory_s")  # times of forgetting, which must be above 0
RULES: dict[str, Any] = {"resample": ResampleRule, **{f.name: f.Rule for f in FAMILIES}}
DEFAULT_RULES: dict[str, Any] = {key: kind() for key, kind in RULES.items()}


def check_values(s: MissionSettings) -> None:
    """SettingsError names the first impossible value."""
    _check_time(s.time)
    _check_durations(s.time, ("time",))
    _check_gate(s.gate)
    for name, alarm in s.alarms.items():
        _check_durations(alarm, ("alarms", name))
    for key in (*DEFAULT_RULES, "statistics"):
        for rule, place in given(s, key):
            if key not in BY_NAME:
                _check_durations(rule, place)
                continue
            check_rule(rule, place)
            if BY_NAME[key].trained_alone and rule.enabled:
                what = (
                    f"{key} works only as a trained model: heartline models train (docs/gate.md)."
                )
                raise SettingsError(what, place, "enabled")
    for rule, place in given(s, "resample"):
        _check_resample(rule, place)
    for window, place in given(s, "statistics"):
        _check_window(window, place)
    _check_panes(s)
    if any(type(a) is not int or not 0 <= a < IDLE_APID for a in s.segmented_apids):
        what = f"segmented_apids must be numbers from 0 to {IDLE_APID - 1}."
        raise SettingsError(what, (), "segmented_apids")
    if any(not 0 <= q <= 1 for q in s.quantiles) or list(s.quantiles) != sorted(s.quantiles):
        raise SettingsError("quantiles must rise from 0 to 1.", (), "quantiles")
    _check_outputs(s.outputs)


def given(s: MissionSettings, key: str) -> Iterator[tuple[Any, Place]]:
    """The rules of a list, with their places in the file, without the default before them."""
    first = 1 if key in DEFAULT_RULES else 0
    rules = s.models.get(key, ()) if key in BY_NAME else getattr(s, key)
    for i, rule in enumerate(rules[first:]):
        yield rule, (key, i)


def check_rule(rule: Any, place: Place) -> None:
    """Check a rule of a family, from mission.toml or from an artefact."""
    _check_durations(rule, place)
    for f in dataclasses.fields(rule):
        told, value = f.metadata, getattr(rule, f.name)
        least, most = told.get("least"), told.get("most")
        if most is not None and not least <= value <= most:
            from_ = "above 0" if least == ABOVE_0 else f"{least:g}"
            what = f"{f.name} = {value} must be {from_} to {most:g}."
            raise SettingsError(what, place, f.name)
        if told.get("need") and rule.enabled and not value:
            raise SettingsError(f"{f.name} must be given: {told['need']}.", place)
    if wrong := rule.mistake():
        key, what = wrong
        raise SettingsError(what, place, key)


def _check_time(time: TimeSettings) -> None:
    place = ("time",)
    if time.epoch:
        try:
            parse_epoch(time.epoch)
        except ValueError:
            raise SettingsError(f"epoch = {time.epoch!r} is no ISO date.", place, "epoch") from None
    composite = time.day or time.milliseconds or time.microseconds
    if composite and not time.epoch:
        raise SettingsError("day, milliseconds or microseconds needs an epoch.", place)
    if composite and time.parameter:
        raise SettingsError("takes a parameter or a composite, not both.", place, "parameter")


def _check_outputs(o: OutputSettings) -> None:
    place = ("outputs",)
    for key, known in (("samples", SAMPLES), ("statistics", STATISTICS)):
        if (given := getattr(o, key)) not in known:
            what = f"{key} = {given!r} is none of {', '.join(known)}."
            raise SettingsError(what, place, key)
    if not MIN_PERIOD_S <= o.period_s <= MAX_SECONDS:
        what = f"period_s = {o.period_s} must be {MIN_PERIOD_S} to {MAX_SECONDS:g}."
        raise SettingsError(what, place, "period_s")


def _check_gate(gate: GateSettings) -> None:
    place = ("gate",)
    _check_durations(gate, place)
    key, rate = "false_alarms_per_parameter_day", gate.false_alarms_per_parameter_day
    if not 0 <= rate <= 1e6:
        raise SettingsError(f"{key} = {rate} must be 0 or more.", place, key)
    if not 0 <= gate.found <= 1:
        raise SettingsError(f"found = {gate.found} must be 0 to 1.", place, "found")


def _check_resample(r: ResampleRule, place: Place) -> None:
    if r.method not in METHODS:
        what = f"method {r.method!r} is none of {', '.join(METHODS)}."
        raise SettingsError(what, place, "method")
    if not MIN_HZ <= r.hz <= 100_000:
        what = f"hz = {r.hz} must be above 0 ({MIN_HZ}) and at most 100000."
        raise SettingsError(what, place, "hz")
    if not 0 < r.max_age_s * r.hz <= MOST_HELD:
        what = f"max_age_s = {r.max_age_s} at {r.hz} Hz must be 1 to {MOST_HELD} samples."
        raise SettingsError(what, place, "max_age_s")


def _check_window(w: WindowSettings, place: Place) -> None:
    panes = w.window_s / w.pane_s if w.pane_s > 0 else 0
    if not 1 <= panes <= 1000 or panes != round(panes):
        what = f"window_s = {w.window_s} is no whole number of panes of {w.pane_s} s."
        raise SettingsError(what, place, "window_s")
    if w.pane_s < MIN_PANE_S:
        raise SettingsError(f"pane_s = {w.pane_s} is below {MIN_PANE_S} s.", place, "pane_s")


def _check_panes(s: MissionSettings) -> None:
    """The error points at the rate, since a file may set it without setting panes."""
    busiest = max(r.hz for r in s.resample)
    rates = [place for rule, place in given(s, "resample") if rule.hz == busiest]
    for i, w in enumerate(s.statistics):
        if w.pane_s * busiest > MAX_PANE_SAMPLES:
            what = (
                f"a pane of {w.pane_s} s at {busiest} Hz holds more than {MAX_PANE_SAMPLES} "
                "samples: take shorter panes, [[statistics]]."
            )
            if rates:
                raise SettingsError(what, rates[0], "hz")
            raise SettingsError(what, ("statistics", i), "pane_s")


def _check_durations(rule: Any, place: Place) -> None:
    """Refuses durations that are negative, too long, or 0 where they must be above it."""
    for f in dataclasses.fields(rule):
        value = getattr(rule, f.name)
        if f.name in _ABOVE_0 and value <= 0:
            raise SettingsError(f"{f.name} = {value} must be above 0.", place, f.name)
        if f.name.endswith(("_s", "_seconds")) and not 0 <= value <= MAX_SECONDS:
            raise SettingsError(f"{f.name} = {value} must be 0 to {MAX_SECONDS}.", place, f.name)
