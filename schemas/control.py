"""Control records of telemetry.raw (docs/control.md): what people change while it runs."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from schemas.artefact import Artefact, decode_artefact, encode_artefact
from schemas.mission import ALARM_LEVELS, Five

ON_PARAMETERS = ("acknowledge", "inhibit", "enable", "limits")
ACTIONS = (*ON_PARAMETERS, "model")
STAGES = ("candidate", "shadow", "active", "retired")
_WORDS = tuple(level.word for level in ALARM_LEVELS)
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class GateReport:
    """States that a model passed the gate. key, signature: of the gate that reports it (base64).

    enough: whether it was heard for long enough to show that it keeps to its budget of false
    alarms; else a person must admit it."""

    sha256: str  # of the model
    mission_database: str
    passed: bool
    key: str
    signature: str
    enough: bool

    @property
    def signed(self) -> bytes:
        """The bytes that the signature covers."""
        said = [self.sha256, self.mission_database, self.passed, self.enough]
        return orjson.dumps(["heartline gate 2", *said])


@dataclass(frozen=True, slots=True)
class ModelStage:
    """A model's stage from here on. artefact: complete, unless the model is retired, so that the
    input alone shows what was in force. report: of the gate, to become active. admitted: by who
    writes the control record, though too little was heard of it to show that it keeps to its
    budget."""

    name: str
    stage: str
    artefact: Artefact | None
    report: GateReport | None = None
    admitted: bool = False


@dataclass(frozen=True, slots=True)
class Control:
    """One change by a person, and why.

    what: one of ACTIONS. parameter: qualified name; for stale that of the container, for los that
    of the root SpaceSystem.
    ranges: for "limits" of the monitor "limit", (low, high) by level, one or more; a level that is
    not named loses its range.
    model: only for "model", which names no parameter and no monitor.
    when_ns: by the clock of the writer. until_ns: for "inhibit": it expires then.
    """

    what: str
    parameter: str
    who: str
    why: str
    when_ns: int
    monitor: str = "limit"
    ranges: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    model: ModelStage | None = None
    until_ns: int | None = None

    def sides(self) -> tuple[Five, Five]:
        """Bounds of every level, an open end infinite."""
        pairs = [self.ranges.get(word, (None, None)) for word in _WORDS]
        low = tuple(-math.inf if a is None else a for a, _ in pairs)
        high = tuple(math.inf if b is None else b for _, b in pairs)
        return low, high  # type: ignore[return-value]


def encode_control(control: Control) -> bytes:
    told: dict[str, Any] = {
        "what": control.what, "parameter": control.parameter, "monitor": control.monitor,
        "who": control.who, "when_ns": control.when_ns, "why": control.why,
    }  # fmt: skip
    if control.model:
        for key in ("parameter", "monitor"):
            del told[key]
        told |= {"name": control.model.name, "stage": control.model.stage}
        if control.model.artefact:
            told["artefact"] = orjson.Fragment(encode_artefact(control.model.artefact))
        if control.model.report:
            told["report"] = asdict(control.model.report)
        if control.model.admitted:
            told["admitted"] = True
    if control.ranges:
        told["ranges"] = {level: list(pair) for level, pair in control.ranges.items()}
    if control.until_ns is not None:
        told["until_ns"] = control.until_ns
    return orjson.dumps(told)


def decode(value: bytes, monitors: Collection[str]) -> Control:
    """ValueError says what is wrong with it. monitors: the known kinds."""
    told = orjson.loads(value)
    if not isinstance(told, dict):
        raise ValueError("is no object")
    what = told.get("what")
    if what not in ACTIONS:
        raise ValueError(f"what must be one of {', '.join(ACTIONS)}")
    own = (
        ("name", "stage", "artefact", "report", "admitted")
        if what == "model"
        else ("parameter", "monitor", "ranges", "until_ns")
    )
    known = ("what", "who", "when_ns", "why", *own)
    if odd := [key for key in told if key not in known]:
        raise ValueError(f"{odd[0]!r} is unknown; known are {', '.join(known)}")
    when = told.get("when_ns")
    if not isinstance(when, int) or isinstance(when, bool) or abs(when) >= 2**62:
        raise ValueError("when_ns must be ns since 1970")
    head = {"what": what, "who": _text(told, "who"), "why": _text(told, "why"), "when_ns": when}
    if what == "model":
        return Control(**head, parameter="", monitor="", model=_model(told))
    named = _on_parameter(told, monitors)
    return Control(**head, parameter=_text(told, "parameter"), **named)


def _text(told: dict[str, Any], key: str) -> str:
    text = told.get(key)
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST:
        raise ValueError(f"{key} must be a text of 1 to {_LONGEST} characters")
    return text


def _model(told: dict[str, Any]) -> ModelStage:
    stage, given = told.get("stage"), told.get("artefact")
    if stage not in STAGES[1:]:
        raise ValueError(f"stage must be one of {', '.join(STAGES[1:])}")
    if (given is None) != (stage == "retired"):
        raise ValueError("artefact is that of a shadow or active model, all of it")
    name = _text(told, "name")
    try:
        content = orjson.dumps(given)
    except TypeError as error:  # nested deeper than it writes
        raise ValueError(f"artefact: {error}") from None
    artefact = None if given is None else decode_artefact(content)
    if artefact and artefact.name != name:
        raise ValueError(f"name {name!r} is not that of the artefact, {artefact.name!r}")
    admitted = told.get("admitted", False)
    if type(admitted) is not bool or (admitted and stage != "active"):
        raise ValueError("admitted is true or false, of an active model alone")
    return ModelStage(name, stage, artefact, _report(told), admitted)


def _report(told: dict[str, Any]) -> GateReport | None:
    given = told.get("report")
    if given is None:
        return None
    try:
        report = GateReport(**given)
    except TypeError:
        raise ValueError("report is none of the gate") from None
    texts = (report.sha256, report.mission_database, report.key, report.signature)
    flags = report.passed is True and type(report.enough) is bool
    if not all(isinstance(t, str) and len(t) <= 200 for t in texts) or not flags:
        raise ValueError("report is none of the gate")
    return report


def _on_parameter(told: dict[str, Any], monitors: Collection[str]) -> dict[str, Any]:
    monitor = told.get("monitor", "limit")
    if monitor not in monitors:
        raise ValueError(f"monitor must be one of {', '.join(monitors)}")
    if told["what"] == "limits" and monitor != "limit":
        raise ValueError("limits are those of the monitor limit")
    ranges = told.get("ranges", {})
    if (told["what"] == "limits") != ("ranges" in told):
        raise ValueError('ranges belong to "limits", and to that alone')
    if "ranges" in told and monitor != "limit":
        raise ValueError("limits are those of the monitor limit")
    if not isinstance(ranges, dict) or ("ranges" in told and not ranges):
        raise ValueError("ranges must be an object of one level or more")
    pairs = {level: _pair(level, pair) for level, pair in ranges.items()}
    return {"monitor": monitor, "ranges": pairs, "until_ns": _until(told)}


def _until(told: dict[str, Any]) -> int | None:
    until = told.get("until_ns")
    if until is None and "until_ns" not in told:
        return None
    if told["what"] != "inhibit" or type(until) is not int or not 0 < until < 2**62:
        raise ValueError('until_ns is ns since 1970, of "inhibit" alone')
    return until


def _pair(level: str, pair: Any) -> tuple[float | None, float | None]:
    if level not in _WORDS:
        raise ValueError(f"{level!r} is no level; levels are {', '.join(_WORDS)}")
    if not isinstance(pair, list) or len(pair) != 2:
        raise ValueError(f"{level} must be [low, high]")
    low, high = (
        float(x) if isinstance(x, int | float) and not isinstance(x, bool) else None for x in pair
    )
    if any(given is None and x is not None for given, x in zip((low, high), pair, strict=True)):
        raise ValueError(f"{level} must be two numbers, or null for an open end")
    if low is not None and high is not None and low > high:
        raise ValueError(f"{level}: {low:g} is above {high:g}")
    return low, high
