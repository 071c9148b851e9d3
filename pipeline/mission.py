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
from pipeline.errors import MissionError, Place, SettingsError
from pipeline.mdb import load_xtce
from pipeline.mdb.epochs import parse_epoch
from pipeline.packets.header import IDLE_APID
from pipeline.resample import METHODS
from pipeline.settings_lines import line_of
from pipeline.settings_shape import check_shape
from schemas.mission import ALARM_LEVELS, AlarmRanges, MissionDatabase, Parameter
from schemas.settings import (
    MODEL_RULES,
    READ,
    TRAINED_ALONE,
    AlarmRule,
    CorridorRule,
    FatigueRule,
    GateSettings,
    MissionSettings,
    RecordRule,
    ResampleRule,
    TimeSettings,
    WindowSettings,
)

T = TypeVar("T")
MAX_SECONDS = 1_000_000_000  # thirty years: ns of more do not fit 64 bits
MIN_HZ = 1e-6  # every eleven days
MIN_PANE_S = 1e-3
MAX_ROWS = 2**40
MOST_OF_A_RULE = (
    1e15  # of what comes with an artefact: whole numbers fit, and squares do not overflow
)
MAX_HORIZON_S = 7200  # a corridor is kept second by second
MAX_FRAME_VALUES = 16_777_216  # 400 MB of an open frame
_ABOVE_0 = ("half_life_s", "memory_s")  # of what forgets: at once is never
RULES: dict[str, Any] = {"resample": ResampleRule, **MODEL_RULES}
DEFAULT_RULES: dict[str, Any] = {key: kind() for key, kind in RULES.items()}


@dataclass(frozen=True, slots=True)
class Mission:
    settings: MissionSettings
    mdb: MissionDatabase
    folder: Path


def load_mission(
    folder: str | Path, mdb: str | Path | None = None, root_container: str = ""
) -> Mission:
    """Read a mission folder; `mdb` and `root_container` take the place of what it names.

    MissionError names the file, the line, the key and the mend.
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
        database = load_xtce(
            mdb if mdb is not None else folder / settings.xtce, settings.root_container
        )
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
    alarms = {name: _alarm(name, dict(rule)) for name, rule in table.pop("alarms", {}).items()}
    lists: dict[str, tuple[Any, ...]] = {}
    for key, kind in (RULES | {"statistics": WindowSettings}).items():
        if key in table:
            rules = table.pop(key)
            lists[key] = tuple(_build(kind, rule, (key, i)) for i, rule in enumerate(rules))
            if key in DEFAULT_RULES:  # what no rule matches takes the defaults
                lists[key] = (DEFAULT_RULES[key], *lists[key])
    for key in ("ignore", "gauges", "quantiles", "segmented_apids"):
        if key in table:
            if not isinstance(table[key], list):
                raise SettingsError(f"{key} = {table[key]!r} must be a list, [...].", (), key)
            lists[key] = tuple(table.pop(key))
    table.setdefault("source", table.get("name", ""))
    table.setdefault("xtce", "")
    digest = _sha256(table, time, gate, alarms, lists)
    whole = {**table, "time": time, "gate": gate, "alarms": alarms, **lists}
    settings = _build(MissionSettings, whole, ())
    settings = dataclasses.replace(settings, sha256=digest)
    _check_values(settings)
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


def _build(kind: type[T], table: dict[str, Any], place: Place) -> T:
    """A settings value from a table: each key known, each of its field's type."""
    every = dataclasses.fields(kind)  # type: ignore[arg-type]
    fields = {f.name: f for f in every if f.metadata != READ}
    values = {}
    for key, value in table.items():
        if key not in fields:
            known = ", ".join(fields)
            raise SettingsError(f"{key!r} is unknown; known are {known}.", place, key)
        wanted = str(fields[key].type)
        good = {"str": str, "float": (int, float), "int": int, "bool": bool}.get(wanted, object)
        if not isinstance(value, good) or (isinstance(value, bool) and wanted != "bool"):  # type: ignore[arg-type]
            raise SettingsError(f"{key} = {value!r} is not of type {wanted}.", place, key)
        if wanted == "float" and not math.isfinite(value):
            raise SettingsError(f"{key} = {value!r} must be finite.", place, key)
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


def _check_values(s: MissionSettings) -> None:
    """SettingsError tells of the first value that nothing can be done with."""
    _check_time(s.time)
    _check_durations(s.time, ("time",))
    _check_gate(s.gate)
    for name, alarm in s.alarms.items():
        _check_durations(alarm, ("alarms", name))
    for key in (*DEFAULT_RULES, "statistics"):
        for rule, place in _given(s, key):
            _check_durations(rule, place)
            if isinstance(rule, RecordRule):
                _check_record(rule, place)
            if isinstance(rule, FatigueRule):
                _check_fatigue(rule, place)
            if key in TRAINED_ALONE and rule.enabled:
                what = f"{key} comes trained alone: heartline models train (docs/gate.md)."
                raise SettingsError(what, place, "enabled")
    for rule, place in _given(s, "resample"):
        _check_resample(rule, place)
    for window, place in _given(s, "statistics"):
        _check_window(window, place)
    _check_panes(s)
    if any(type(a) is not int or not 0 <= a < IDLE_APID for a in s.segmented_apids):
        what = f"segmented_apids must be numbers from 0 to {IDLE_APID - 1}."
        raise SettingsError(what, (), "segmented_apids")
    if any(not 0 <= q <= 1 for q in s.quantiles) or list(s.quantiles) != sorted(s.quantiles):
        raise SettingsError("quantiles must rise from 0 to 1.", (), "quantiles")
    if not 1 <= s.frame_values <= MAX_FRAME_VALUES:
        what = f"frame_values = {s.frame_values} must be 1 to {MAX_FRAME_VALUES}."
        raise SettingsError(what, (), "frame_values")


def _given(s: MissionSettings, key: str) -> Iterator[tuple[Any, Place]]:
    """The rules of a list, with their places in the file; not the default before them."""
    first = 1 if key in DEFAULT_RULES else 0
    for i, rule in enumerate(getattr(s, key)[first:]):
        yield rule, (key, i)


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


def _check_gate(gate: GateSettings) -> None:
    place = ("gate",)
    _check_durations(gate, place)
    key, rate = "false_alarms_per_parameter_day", gate.false_alarms_per_parameter_day
    if not 0 <= rate <= 1e6:
        raise SettingsError(f"{key} = {rate} must be 0 or more.", place, key)
    if not 0 <= gate.found <= 1:
        raise SettingsError(f"found = {gate.found} must be 0 to 1.", place, "found")


def read_rule(family: str, table: dict[str, Any]) -> Any:
    """The settings of a family from a plain object. SettingsError: an unknown or impossible one."""
    for key, value in table.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and not abs(value) <= MOST_OF_A_RULE:
            raise SettingsError(f"{key} = {value} is beyond {MOST_OF_A_RULE:g}.", (family,), key)
    rule = _build(MODEL_RULES[family], table, (family,))
    _check_durations(rule, (family,))
    if isinstance(rule, RecordRule):
        _check_record(rule, (family,))
    if isinstance(rule, CorridorRule):
        _check_corridor(rule, (family,))
    if isinstance(rule, FatigueRule):
        _check_fatigue(rule, (family,))
    return rule


def _check_resample(r: ResampleRule, place: Place) -> None:
    if r.method not in METHODS:
        what = f"method {r.method!r} is none of {', '.join(METHODS)}."
        raise SettingsError(what, place, "method")
    if not MIN_HZ <= r.hz <= 100_000:
        what = f"hz = {r.hz} must be above 0 ({MIN_HZ}) and at most 100000."
        raise SettingsError(what, place, "hz")
    if not 0 < r.max_age_s * r.hz <= 100_000:
        what = f"max_age_s = {r.max_age_s} at {r.hz} Hz must be 1 to 100000 samples."
        raise SettingsError(what, place, "max_age_s")


def _check_record(r: RecordRule, place: Place) -> None:
    if not 0 < r.margin <= 1e6:
        raise SettingsError(f"margin = {r.margin} must be above 0.", place, "margin")
    for key in ("history", "let_go"):
        if not 1 <= getattr(r, key) <= MAX_ROWS:
            what = f"{key} = {getattr(r, key)} must be 1 to {MAX_ROWS} rows."
            raise SettingsError(what, place, key)


def _check_corridor(r: CorridorRule, place: Place) -> None:
    if not 0 < r.margin <= 1e6:
        raise SettingsError(f"margin = {r.margin} must be above 0.", place, "margin")
    if not 1 <= r.horizon_s <= MAX_HORIZON_S:
        what = f"horizon_s = {r.horizon_s} must be 1 to {MAX_HORIZON_S}."
        raise SettingsError(what, place, "horizon_s")


def _check_fatigue(r: FatigueRule, place: Place) -> None:
    if r.enabled and r.reference == 0:
        what = "reference must be given: a range that the part stands `cycles` times."
        raise SettingsError(what, place)
    for key, least, most in (("reference", 0, 1e12), ("cycles", 1, 1e15), ("slope", 1, 30),
                             ("threshold", 0, 1e6), ("memory_s", 1e-3, MAX_SECONDS)):  # fmt: skip
        if not least <= getattr(r, key) <= most:
            raise SettingsError(
                f"{key} = {getattr(r, key)} must be {least:g} to {most:g}.", place, key
            )


def _check_window(w: WindowSettings, place: Place) -> None:
    panes = w.window_s / w.pane_s if w.pane_s > 0 else 0
    if not 1 <= panes <= 1000 or panes != round(panes):
        what = f"window_s = {w.window_s} is no whole number of panes of {w.pane_s} s."
        raise SettingsError(what, place, "window_s")
    if w.pane_s < MIN_PANE_S:
        raise SettingsError(f"pane_s = {w.pane_s} is below {MIN_PANE_S} s.", place, "pane_s")


def _check_panes(s: MissionSettings) -> None:
    """A bin counts in 16 bits. Told at the rate, which a file may say without its panes."""
    busiest = max(r.hz for r in s.resample)
    rates = [place for rule, place in _given(s, "resample") if rule.hz == busiest]
    for i, w in enumerate(s.statistics):
        if w.pane_s * busiest > 65535:
            what = (
                f"a pane of {w.pane_s} s at {busiest} Hz holds more than 65535 samples: "
                "take shorter panes, [[statistics]]."
            )
            if rates:
                raise SettingsError(what, rates[0], "hz")
            raise SettingsError(what, ("statistics", i), "pane_s")


def _check_durations(rule: Any, place: Place) -> None:
    """Seconds that are none, or that no clock counts to."""
    for f in dataclasses.fields(rule):
        value = getattr(rule, f.name)
        if f.name in _ABOVE_0 and value <= 0:
            raise SettingsError(f"{f.name} = {value} must be above 0.", place, f.name)
        if f.name.endswith(("_s", "_seconds")) and not 0 <= value <= MAX_SECONDS:
            raise SettingsError(f"{f.name} = {value} must be 0 to {MAX_SECONDS}.", place, f.name)


def _check(s: MissionSettings, mdb: MissionDatabase) -> None:
    """The settings against the database: every name exists, no fact stands twice unmarked."""
    if not mdb.parameters:
        raise MissionError(f"{mdb.path}: has no parameters.")
    _check_time_parameters(s.time, mdb)
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


def _patterns(s: MissionSettings) -> Iterator[tuple[str, Place, *tuple[str | int, ...]]]:
    """Patterns of parameters that the file names; each with its table and what leads on to it."""
    for key in ("gauges", "ignore"):
        for i, pattern in enumerate(getattr(s, key)):
            yield pattern, (), key, i
    for key in DEFAULT_RULES:
        for rule, place in _given(s, key):
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
