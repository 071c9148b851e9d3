"""A mission folder: `mission.toml` and its XTCE, checked against each other (docs/mission.md)."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

import orjson

from pipeline.correlation import read_correlation
from pipeline.errors import MissionError
from pipeline.mdb import load_xtce
from pipeline.mdb.epochs import parse_epoch
from pipeline.packets.header import IDLE_APID
from pipeline.resample import METHODS
from pipeline.settings_shape import check_shape
from schemas.mission import ALARM_LEVELS, AlarmRanges, MissionDatabase, Parameter
from schemas.settings import (
    READ,
    AlarmRule,
    FlatRule,
    MissionSettings,
    ResampleRule,
    ResidualRule,
    TimeSettings,
    TimeToLimitRule,
    WindowSettings,
)

T = TypeVar("T")
MAX_SECONDS = 1_000_000_000  # thirty years: ns of more do not fit 64 bits
MIN_HZ = 1e-6  # every eleven days
MIN_PANE_S = 1e-3
MAX_FRAME_VALUES = 16_777_216  # 400 MB of an open frame
DEFAULT_RULES: dict[str, Any] = {
    "resample": ResampleRule(),
    "residual": ResidualRule(),
    "time_to_limit": TimeToLimitRule(),
    "flat": FlatRule(),
}


@dataclass(frozen=True, slots=True)
class Mission:
    settings: MissionSettings
    mdb: MissionDatabase
    folder: Path


def load_mission(
    folder: str | Path, mdb: str | Path | None = None, root_container: str = ""
) -> Mission:
    """Read a mission folder; `mdb` and `root_container` take the place of what it names.

    MissionError names the file, the key and the mend.
    """
    folder = Path(folder)
    if folder.name == "mission.toml":
        folder = folder.parent
    elif folder.is_file():
        raise MissionError(
            f"{folder}: a mission is a folder with a mission.toml in it; "
            "`heartline mission init` makes one from an XTCE file."
        )
    path = folder / "mission.toml"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MissionError(
            f"{path}: cannot be read: {error.strerror}. `heartline mission init` makes one."
        ) from None
    try:
        table = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:  # a long number is a plain ValueError
        raise MissionError(f"{path}: not TOML: {error}") from None
    if root_container:  # part of the settings' fingerprint, wherever it was said
        table["root_container"] = root_container
    settings = read_settings(table, str(path), folder)
    if mdb is None and not settings.xtce:
        raise MissionError(f'{path}: no XTCE: add xtce = "FILE.xml", or give --mdb FILE.')
    database = load_xtce(
        mdb if mdb is not None else folder / settings.xtce, settings.root_container
    )
    _check(settings, database, str(path))
    return Mission(settings, database, folder)


def read_settings(table: dict[str, Any], where: str, folder: Path = Path()) -> MissionSettings:
    """Settings from a parsed mission.toml; unknown keys and impossible values are refused.

    folder: of the files that it names.
    """
    check_shape(table, where)
    table = dict(table)
    time = _build(TimeSettings, table.pop("time", {}), f"{where}: [time]")
    if time.correlation:
        time = dataclasses.replace(time, runs=read_correlation(folder / time.correlation))
    alarms = {
        name: _alarm(name, dict(rule), f"{where}: [alarms.{name}]")
        for name, rule in table.pop("alarms", {}).items()
    }
    lists: dict[str, tuple[Any, ...]] = {}
    for key, kind in (
        ("resample", ResampleRule), ("residual", ResidualRule),
        ("time_to_limit", TimeToLimitRule), ("flat", FlatRule), ("statistics", WindowSettings),
    ):  # fmt: skip
        if key in table:
            rules = table.pop(key)
            lists[key] = tuple(
                _build(kind, rule, f"{where}: [[{key}]] number {i + 1}")
                for i, rule in enumerate(rules)
            )
            if key in DEFAULT_RULES:  # what no rule matches takes the defaults
                lists[key] = (DEFAULT_RULES[key], *lists[key])
    for key in ("ignore", "gauges", "quantiles", "segmented_apids"):
        if key in table:
            if not isinstance(table[key], list):
                raise MissionError(f"{where}: {key} = {table[key]!r} must be a list, [...].")
            lists[key] = tuple(table.pop(key))
    table.setdefault("source", table.get("name", ""))
    table.setdefault("xtce", "")
    digest = _sha256(table, time, alarms, lists)
    settings = _build(MissionSettings, {**table, "time": time, "alarms": alarms, **lists}, where)
    settings = dataclasses.replace(settings, sha256=digest)
    _check_values(settings, where)
    return settings


def _sha256(*parts: Any) -> str:
    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return dataclasses.asdict(value)
        raise TypeError

    content = orjson.dumps(
        parts,
        default=plain,
        option=orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_NON_STR_KEYS,
    )
    return hashlib.sha256(content).hexdigest()


def _build(kind: type[T], table: dict[str, Any], where: str) -> T:
    """A settings value from a table: each key known, each of its field's type."""
    every = dataclasses.fields(kind)  # type: ignore[arg-type]
    fields = {f.name: f for f in every if f.metadata != READ}
    values = {}
    for key, value in table.items():
        if key not in fields:
            raise MissionError(f"{where}: {key!r} is unknown; known are {', '.join(fields)}.")
        wanted = str(fields[key].type)
        good = {"str": str, "float": (int, float), "int": int, "bool": bool}.get(wanted, object)
        if not isinstance(value, good) or (isinstance(value, bool) and wanted != "bool"):  # type: ignore[arg-type]
            raise MissionError(f"{where}: {key} = {value!r} is not of type {wanted}.")
        if wanted == "float" and not math.isfinite(value):
            raise MissionError(f"{where}: {key} = {value!r} must be finite.")
        values[key] = float(value) if wanted == "float" else value
    missing = [
        n
        for n, f in fields.items()
        if n not in values
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise MissionError(f"{where}: {', '.join(missing)} must be given.")
    return kind(**values)


def _alarm(name: str, rule: dict[str, Any], where: str) -> AlarmRule:
    deadband, override = rule.pop("deadband", 0.0), rule.pop("override", False)
    min_s, latch = float(rule.pop("min_s", 0.0)), rule.pop("latch", False)
    violations = rule.pop("min_violations", 1)
    low, high, some = [-math.inf] * 5, [math.inf] * 5, False
    for i, level in enumerate(ALARM_LEVELS):
        if level.word in rule:
            pair, some = rule.pop(level.word), True
            if not (isinstance(pair, list) and len(pair) == 2):
                raise MissionError(f"{where}: {level.word} must be [low, high].")
            low[i], high[i] = float(pair[0]), float(pair[1])
            if not low[i] <= high[i]:
                raise MissionError(f"{where}: {level.word}: {low[i]} is above {high[i]}.")
    if rule:
        raise MissionError(f"{where}: {', '.join(rule)} is unknown.")
    ranges = AlarmRanges(tuple(low), tuple(high), violations, violations) if some else None  # type: ignore[arg-type]
    return AlarmRule(name, ranges, float(deadband), bool(override), min_s, bool(latch))


def _check_values(s: MissionSettings, where: str) -> None:
    problems = []
    for r in s.resample:
        if r.method not in METHODS:
            problems.append(f"resample method {r.method!r} is none of {', '.join(METHODS)}")
        if not MIN_HZ <= r.hz <= 100_000:
            problems.append(f"resample hz = {r.hz} must be above 0 ({MIN_HZ}) and at most 100000")
        elif not 0 < r.max_age_s * r.hz <= 100_000:
            problems.append(f"max_age_s = {r.max_age_s} at {r.hz} Hz must be 1 to 100000 samples")
    for w in s.statistics:
        panes = w.window_s / w.pane_s if w.pane_s > 0 else 0
        if not 1 <= panes <= 1000 or panes != round(panes):
            problems.append(f"window_s = {w.window_s} is no whole number of panes of {w.pane_s} s")
        if 0 < w.pane_s < MIN_PANE_S:
            problems.append(f"pane_s = {w.pane_s} is below {MIN_PANE_S} s")
        busiest = max(r.hz for r in s.resample)
        if w.pane_s * busiest > 65535:
            problems.append(
                f"a pane of {w.pane_s} s at {busiest} Hz holds more than 65535 samples: "
                "take shorter panes"
            )
    if any(type(a) is not int or not 0 <= a < IDLE_APID for a in s.segmented_apids):
        problems.append(f"segmented_apids must be numbers from 0 to {IDLE_APID - 1}")
    if any(not 0 <= q <= 1 for q in s.quantiles) or list(s.quantiles) != sorted(s.quantiles):
        problems.append("quantiles must rise from 0 to 1")
    if any(r.half_life_s <= 0 for r in s.residual):
        problems.append("half_life_s must be above 0")
    if any(r.memory_s <= 0 for r in s.time_to_limit):
        problems.append("memory_s must be above 0")
    problems += _durations(s)
    if not 1 <= s.frame_values <= MAX_FRAME_VALUES:
        problems.append(f"frame_values = {s.frame_values} must be 1 to {MAX_FRAME_VALUES}")
    if s.time.epoch:
        try:
            parse_epoch(s.time.epoch)
        except ValueError:
            problems.append(f"[time] epoch = {s.time.epoch!r} is no ISO date")
    composite = s.time.day or s.time.milliseconds or s.time.microseconds
    if composite and not s.time.epoch:
        problems.append("[time] of day, milliseconds or microseconds needs an epoch")
    if composite and s.time.parameter:
        problems.append("[time] takes a parameter or a composite, not both")
    if problems:
        raise MissionError(f"{where}: {'; '.join(problems)}.")


def _durations(s: MissionSettings) -> Iterator[str]:
    """Seconds that are none, or that no clock counts to."""
    rules: list[Any] = [
        s.time, *s.resample, *s.statistics, *s.residual, *s.time_to_limit, *s.flat,
        *s.alarms.values(),
    ]  # fmt: skip
    for rule in rules:
        for f in dataclasses.fields(rule):
            value = getattr(rule, f.name)
            if f.name.endswith(("_s", "_seconds")) and not 0 <= value <= MAX_SECONDS:
                yield f"{f.name} = {value} must be 0 to {MAX_SECONDS}"


def _check(s: MissionSettings, mdb: MissionDatabase, where: str) -> None:
    """The settings against the database: every name exists, no fact stands twice unmarked."""
    t = s.time
    for key in ("parameter", "day", "milliseconds", "microseconds"):
        name = getattr(t, key)
        if name and name not in mdb.parameters:
            raise MissionError(f"{where}: [time] {key} = {name!r} is not in {mdb.path}.")
    if t.parameter and mdb.parameters[t.parameter].type.time is None:
        raise MissionError(
            f"{where}: [time] parameter = {t.parameter!r} is no AbsoluteTimeParameterType."
        )
    for name, rule in s.alarms.items():
        if name not in mdb.parameters:
            raise MissionError(f"{where}: [alarms.{name}]: no such parameter in {mdb.path}.")
        if rule.ranges and mdb.parameters[name].type.alarm and not rule.override:
            raise MissionError(
                f"{where}: [alarms.{name}]: the XTCE has alarm ranges for it too; "
                "say override = true if this one is meant."
            )
    matches = [
        *(r.match for r in s.resample), *(r.match for r in s.residual),
        *(r.match for r in s.time_to_limit), *(r.match for r in s.flat),
    ]  # fmt: skip
    for pattern in (*s.gauges, *s.ignore, *matches):
        if not any(fnmatchcase(name, pattern) for name in mdb.parameters):
            raise MissionError(f"{where}: {pattern!r} matches no parameter of {mdb.path}.")


Rule = TypeVar("Rule", ResampleRule, ResidualRule, TimeToLimitRule, FlatRule)


def rule_for(name: str, rules: Sequence[Rule]) -> Rule:
    """The last rule whose pattern matches; every list begins with one that matches all."""
    return next(r for r in reversed(rules) if fnmatchcase(name, r.match))


def ranges_for(settings: MissionSettings, parameter: Parameter) -> AlarmRanges | None:
    """Alarm ranges in force for a parameter: the mission's override, or the database's."""
    rule = settings.alarms.get(parameter.name)
    if rule and rule.ranges:
        return rule.ranges
    return parameter.type.alarm
