"""JSON Schema of mission.toml, made from the settings' own definitions, for an editor."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin, get_type_hints

from pipeline.models.families import FAMILIES
from pipeline.models.shared.rules import ABOVE_0
from schemas.mission import ALARM_LEVELS
from schemas.settings import READ, AlarmRule, MissionSettings

_PLAIN = {str: "string", float: "number", int: "integer", bool: "boolean"}
_REQUIRED = ("name",)


def mission_schema() -> dict[str, Any]:
    """Draft 2020-12. Every key of `MissionSettings` and of the tables inside it, no other."""
    schema = _table(MissionSettings)
    for family in FAMILIES:
        schema["properties"][family.name] = {"type": "array", "items": _value(family.Rule)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "heartline:mission:1",
        "title": "mission.toml",
        **schema,
        "required": list(_REQUIRED),
    }


def _table(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    properties = {}
    for one in dataclasses.fields(kind):
        if one.metadata == READ:
            continue
        properties[one.name] = _value(hints[one.name]) | _default(one) | _bounds(one.metadata)
    table = {"type": "object", "additionalProperties": False, "properties": properties}
    words = (kind.__doc__ or "").strip().split("\n\n")[0]
    if words and not words.startswith(f"{kind.__name__}("):  # the docstring of a bare dataclass
        table["description"] = " ".join(words.split())
    return table


def _value(hint: Any) -> dict[str, Any]:
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _value(get_args(hint)[0])}
    if get_origin(hint) is dict:
        return {"type": "object", "additionalProperties": _value(get_args(hint)[1])}
    return _SPECIAL.get(hint, _table)(hint)


def _default(one: Any) -> dict[str, Any]:
    plain = one.default
    return {"default": plain} if isinstance(plain, str | float | int) else {}


def _bounds(told: Mapping[str, Any]) -> dict[str, Any]:
    """Bounds and description that a family gives for a setting."""
    least, most, words = told.get("least"), told.get("most"), (told.get("need"), told.get("unit"))
    bounds: dict[str, Any] = {}
    if most is not None:
        bounds = {"exclusiveMinimum": 0} if least == ABOVE_0 else {"minimum": least}
        bounds["maximum"] = most
    if any(words):
        bounds["description"] = ", ".join(w for w in words if w)
    return bounds


def _alarm(_: Any) -> dict[str, Any]:
    """A table whose ranges stand by level, as mission.toml writes them."""
    pair = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    return {
        "type": "object",
        "additionalProperties": False,
        "description": " ".join((AlarmRule.__doc__ or "").split()),
        "properties": {
            **{level.word: {**pair, "description": "[low, high]"} for level in ALARM_LEVELS},
            "deadband": {"type": "number", "minimum": 0, "default": 0.0},
            "min_violations": {"type": "integer", "minimum": 1, "default": 1},
            "override": {"type": "boolean", "default": False},
            "min_s": {"type": "number", "minimum": 0, "default": 0.0},
            "latch": {"type": "boolean", "default": False},
        },
    }


_SPECIAL: dict[Any, Callable[[Any], dict[str, Any]]] = {AlarmRule: _alarm}
