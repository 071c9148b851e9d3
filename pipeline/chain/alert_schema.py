"""The schema of alerts, with the evidence of each kind of monitor and each model family.

`python -m pipeline.chain.alert_schema` updates schemas/json/alert.schema.json. The parts that
describe the alert as a whole are written by hand; the kinds and their evidence come from their
files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson

import schemas
from pipeline.alarms.checks import EVERY
from pipeline.alarms.kinds import KINDS
from pipeline.models.families import FAMILIES

PATH = Path(schemas.__file__).with_name("json") / "alert.schema.json"
OF_THE_LANE = ("unknown_source",)  # of records that no chain sees


def published() -> dict[str, Any]:
    made: dict[str, Any] = orjson.loads(PATH.read_bytes())
    return made


def brought_up(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, updated with all existing kinds."""
    properties = dict(schema["properties"])
    for family in FAMILIES:
        properties |= family.evidence_schema
    reasons = properties["reasons"]
    parts = dict(reasons["items"]["properties"])
    for check in EVERY:
        parts |= check.schema
    parts["check"] = {"enum": [check.word for check in EVERY]}
    properties["reasons"] = reasons | {"items": reasons["items"] | {"properties": parts}}
    monitor = properties["monitor"]
    kind = {"enum": [*KINDS, *OF_THE_LANE, *(f.name for f in FAMILIES)]}
    properties["monitor"] = monitor | {"properties": monitor["properties"] | {"kind": kind}}
    return schema | {"properties": properties}


def as_text(schema: dict[str, Any]) -> str:
    """One line for each property, easy to read and compare."""
    head = dict(schema)
    properties = ",\n".join(f"    {_pair(*p)}" for p in head.pop("properties").items())
    lines = [f"  {_pair(*p)}" for p in head.items()]
    lines.insert(6, f'  "properties": {{\n{properties}\n  }}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _pair(key: str, value: Any) -> str:
    return f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"


if __name__ == "__main__":
    PATH.write_text(as_text(brought_up(published())))
