"""A mission folder: `mission.toml` and its XTCE, checked against each other (docs/mission.md)."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

import orjson

from pipeline.errors import MissionError, Place, SettingsError
from pipeline.mdb import load_xtce
from pipeline.mission.correlation import read_correlation
from pipeline.mission.lines import line_of
from pipeline.mission.shape import check_shape
from pipeline.mission.values import (
    DEFAULT_RULES,
    RULES,
    check_rule,
    check_values,
    given,
)
from pipeline.models.families import BY_NAME
from schemas.mission import ALARM_LEVELS, AlarmRanges, MissionDatabase, Parameter
from schemas.settings import (
    MAX_PHASES,
    READ,
    AlarmRule,
    GateSettings,
    MissionSettings,
    OutputSettings,
    PhaseSettings,
    TimeSettings,
    WindowSettings,
)

T = TypeVar("T")
DISPLAY = ("gauges",)  # display only: it changes no output and is not in the fingerprint
MOST_OF_A_RULE = (
    1e15  # of what comes with an artefact: whole numbers fit, and squares do not overflow
)


@dataclass(frozen=True, slots=True)
class Mission:
    settings: MissionSettings
    mdb: MissionDatabase
    folder: Path


def load_mission(
    folder: str | Path, mdb: str | Path | None = None, root_container: str = ""
) -> Mission:
    """Read a mission folder; `mdb` and `root_container` replace what it names.

    MissionError names the file, the line, the key and how to fix it.
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
    text = _read(path)
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a long number is a plain ValueError
        raise MissionError(f"{path}: not TOML: {error}") from None
    if root_container:  # part of the settings' fingerprint, wherever it was said
        table["root_container"] = root_container
    try:
        settings = read_settings(table, folder)
        if mdb is None and not settings.xtce:
            raise SettingsError('no XTCE: add xtce = "FILE.xml", or give --mdb FILE.')
        if mdb is not None:
            database = load_xtce(mdb, settings.root_container)
        else:
            subsystems = [folder / name for name in settings.subsystems]
            database = load_xtce(folder / settings.xtce, settings.root_container, subsystems)
        _check(settings, database)
    except SettingsError as error:
        line = line_of(text, error.place)
        where = f"{path}:{line}" if line else f"{path}"
        raise MissionError(f"{where}: {error}") from None
    return Mission(settings, database, folder)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise MissionError(
            f"{path}: cannot be read: {error.strerror}. `heartline mission init` makes one."
        ) from None
    except UnicodeDecodeError as error:
        raise MissionError(f"{path}: not TOML: {error}") from None


def read_settings(table: dict[str, Any], folder: Path = Path()) -> MissionSettings:
    """Settings from a parsed mission.toml; SettingsError: an unknown key, an impossible value.

    folder: of the files that it names.
    """
    check_shape(table)
    table = dict(table)
    time = _build(TimeSettings, table.pop("time", {}), ("time",))
    if time.correlation:
        time = dataclasses.replace(time, runs=read_correlation(folder / time.correlation))
    gate = _build(GateSettings, table.pop("gate", {}), ("gate",))
    phases = _build(PhaseSettings, table.pop("phases", {}), ("phases",))
    outputs = _build(OutputSettings, table.pop("outputs", {}), ("outputs",))
    alarms = {name: _alarm(name, dict(rule)) for name, rule in table.pop("alarms", {}).items()}
    lists: dict[str, tuple[Any, ...]] = {}
    for key, kind in (RULES | {"statistics": WindowSettings}).items():
        if key in table:
            rules = table.pop(key)
            lists[key] = tuple(_build(kind, rule, (key, i)) for i, rule in enumerate(rules))
            if key in DEFAULT_RULES:  # what no rule matches takes the defaults
                lists[key] = (DEFAULT_RULES[key], *lists[key])
    for key in ("ignore", "gauges", "quantiles", "segmented_apids", "subsystems"):
        if key in table:
            if not isinstance(table[key], list):
                raise SettingsError(f"{key} = {table[key]!r} must be a list, [...].", (), key)
            lists[key] = tuple(table.pop(key))
    # of the desk alone: no output changes, so they are no part of the fingerprint
    groups = {name: tuple(patterns) for name, patterns in table.pop("groups", {}).items()}
    table.setdefault("source", table.get("name", ""))
    table.setdefault("xtce", "")
    judged = {key: rules for key, rules in lists.items() if key not in DISPLAY}
    digest = _sha256(table, time, gate, phases, outputs, alarms, judged)
    models = {name: lists.pop(name) for name in BY_NAME if name in lists}
    whole = {
        **table, "time": time, "gate": gate, "phases": phases, "outputs": outputs,
        "alarms": alarms, "groups": groups, **lists,
    }  # fmt: skip
    settings = _build(MissionSettings, whole, (), tuple(BY_NAME))
    settings = dataclasses.replace(settings, models=models, sha256=digest)
    check_values(settings)
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


def _build(kind: type[T], table: dict[str, Any], place: Place, others: tuple[str, ...] = ()) -> T:
    """A settings object from a table, with every key and its type checked. others: further known
    keys, for the error message."""
    every = dataclasses.fields(kind)  # type: ignore[arg-type]
    fields = {f.name: f for f in every if f.metadata != READ}
    values = {}
    for key, value in table.items():
        if key not in fields:
            known = ", ".join((*fields, *others))
            raise SettingsError(f"{key!r} is unknown; known are {known}.", place, key)
        wanted = str(fields[key].type)
        good = {"str": str, "float": (int, float), "int": int, "bool": bool}.get(wanted, object)
        if not isinstance(value, good) or (isinstance(value, bool) and wanted != "bool"):  # type: ignore[arg-type]
            raise SettingsError(f"{key} = {value!r} is not of type {wanted}.", place, key)
        if wanted == "float" and not math.isfinite(value):
            raise SettingsError(f"{key} = {value!r} must be finite.", place, key)
        if wanted.startswith("tuple"):
            if not isinstance(value, list | tuple):  # of an artefact that was not written yet
                raise SettingsError(f"{key} = {value!r} must be a list, [...].", place, key)
            value = tuple(value)
        values[key] = float(value) if wanted == "float" else value
    missing = [
        n
        for n, f in fields.items()
        if n not in values
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise SettingsError(f"{', '.join(missing)} must be given.", place)
    return kind(**values)


def _alarm(name: str, rule: dict[str, Any]) -> AlarmRule:
    place = ("alarms", name)
    deadband, override = rule.pop("deadband", 0.0), rule.pop("override", False)
    min_s, latch = float(rule.pop("min_s", 0.0)), rule.pop("latch", False)
    violations = rule.pop("min_violations", 1)
    low, high, some = [-math.inf] * 5, [math.inf] * 5, False
    for i, level in enumerate(ALARM_LEVELS):
        if level.word in rule:
            pair, some = rule.pop(level.word), True
            if not (isinstance(pair, list) and len(pair) == 2):
                raise SettingsError(f"{level.word} must be [low, high].", place, level.word)
            low[i], high[i] = float(pair[0]), float(pair[1])
            if not low[i] <= high[i]:
                what = f"{level.word}: {low[i]} is above {high[i]}."
                raise SettingsError(what, place, level.word)
    if rule:
        unknown = next(iter(rule))
        raise SettingsError(f"{unknown!r} is unknown.", place, unknown)
    ranges = AlarmRanges(tuple(low), tuple(high), violations, violations) if some else None  # type: ignore[arg-type]
    return AlarmRule(name, ranges, float(deadband), bool(override), min_s, bool(latch))


def read_rule(family: str, table: dict[str, Any]) -> Any:
    """The settings of a family from a plain object. SettingsError: an unknown or impossible one."""
    for key, value in table.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and not abs(value) <= MOST_OF_A_RULE:
            raise SettingsError(f"{key} = {value} is beyond {MOST_OF_A_RULE:g}.", (family,), key)
    rule = _build(BY_NAME[family].Rule, table, (family,))
    check_rule(rule, (family,))
    return rule


def _check(s: MissionSettings, mdb: MissionDatabase) -> None:
    """Check settings against the database: names exist, nothing is set twice without override."""
    if not mdb.parameters:
        raise MissionError(f"{mdb.path}: has no parameters.")
    _check_time_parameters(s.time, mdb)
    if s.phases.parameter or s.phases.labels:
        phase_values(s.phases, mdb)
    for name, rule in s.alarms.items():
        if name not in mdb.parameters:
            raise SettingsError(f"no such parameter in {mdb.path}.", ("alarms", name))
        if rule.ranges and mdb.parameters[name].type.alarm and not rule.override:
            raise SettingsError(
                "the XTCE has alarm ranges for it too; say override = true if this one is meant.",
                ("alarms", name),
            )
    for pattern, table, *inside in _patterns(s):
        if not any(fnmatchcase(name, pattern) for name in mdb.parameters):
            raise SettingsError(f"{pattern!r} matches no parameter of {mdb.path}.", table, *inside)


def _check_time_parameters(time: TimeSettings, mdb: MissionDatabase) -> None:
    place = ("time",)
    for key in ("parameter", "day", "milliseconds", "microseconds"):
        name = getattr(time, key)
        if name and name not in mdb.parameters:
            raise SettingsError(f"{key} = {name!r} is not in {mdb.path}.", place, key)
    if time.parameter and mdb.parameters[time.parameter].type.time is None:
        what = f"parameter = {time.parameter!r} is no AbsoluteTimeParameterType."
        raise SettingsError(what, place, "parameter")


def phase_values(phases: PhaseSettings, mdb: MissionDatabase) -> tuple[tuple[float, ...], ...]:
    """The engineering values of each phase. SettingsError: no such parameter, label or number."""
    place, name = ("phases",), phases.parameter
    if name not in mdb.parameters:
        what = f"parameter = {name!r} is not in {mdb.path}."
        raise SettingsError(what, place, "parameter")
    if not 1 <= len(phases.labels) <= MAX_PHASES:
        raise SettingsError(f"labels must be 1 to {MAX_PHASES} phases.", place)
    known: dict[str, tuple[float, ...]] = {}
    for value, label in mdb.parameters[name].type.labels:  # one may stand for several
        known[label] = (*known.get(label, ()), float(value))
    values = []
    for label in phases.labels:
        number = isinstance(label, str) and re.fullmatch(r"-?[0-9]{1,18}", label)
        if label not in known and not number:
            told = ", ".join(known) or "it has none, so write its numbers as texts"
            what = f"{label!r} is no label of {name} ({told})."
            raise SettingsError(what, place, "labels")
        values.append(known[label] if label in known else (float(label),))
    if len({*phases.labels}) < len(phases.labels):
        raise SettingsError("a label stands in labels twice.", place, "labels")
    return tuple(values)


def _patterns(s: MissionSettings) -> Iterator[tuple[str, Place, *tuple[str | int, ...]]]:
    """Parameter patterns in the file, each with its table and the keys that lead to it."""
    for key in ("gauges", "ignore"):
        for i, pattern in enumerate(getattr(s, key)):
            yield pattern, (), key, i
    for name, patterns in s.groups.items():
        for i, pattern in enumerate(patterns):
            yield pattern, ("groups",), name, i
    for key in DEFAULT_RULES:
        for rule, place in given(s, key):
            yield rule.match, place, "match"


def rule_for(name: str, rules: Sequence[Any]) -> Any:
    """The last rule whose pattern matches; every list begins with one that matches all."""
    return next(r for r in reversed(rules) if fnmatchcase(name, r.match))


def ranges_for(settings: MissionSettings, parameter: Parameter) -> AlarmRanges | None:
    """Alarm ranges in force for a parameter: the mission's override, or the database's."""
    rule = settings.alarms.get(parameter.name)
    if rule and rule.ranges:
        return rule.ranges
    return parameter.type.alarm
