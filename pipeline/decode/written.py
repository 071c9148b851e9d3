"""Numbers and booleans that are sent as text (XTCE 1.2, StringDataEncoding in a numeric type).

The kernel treats them as texts. Here they are parsed value by value: a text that is not a number,
or not a label of its boolean, is invalid. Such values are few and at low rates.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np

from pipeline.decode.definitions.plans import Plan
from pipeline.decode.places import bytes_of, text_of
from schemas.columns import ABSENT, Quality, Rows
from schemas.mission import ParameterType, StringEncoding

_WHOLE = re.compile(r"[-+]?[0-9]+")
_REAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_INVALID = np.uint8(Quality.INVALID)
Read = Callable[[str], float]


class Written:
    """The columns of one container that are sent as text but are numbers or booleans."""

    def __init__(self, plan: Plan) -> None:
        self.columns = [
            (i, reader, kind, kind.encoding)
            for i, field in enumerate(plan.fields)
            if isinstance((kind := field.parameter.type).encoding, StringEncoding)
            and (reader := _reader(kind))
        ]

    def fill(self, rows: Rows) -> None:
        """Engineering values and quality, in place."""
        for i, reader, kind, encoding in self.columns:
            assert isinstance(encoding, StringEncoding)
            for row in np.flatnonzero(rows.quality[:, i] != ABSENT).tolist():
                text = text_of(bytes_of(rows.data, int(rows.raw[row, i])), encoding).strip()
                value = reader(text)
                rows.eng[row, i] = value
                if math.isnan(value) or not _valid(kind, value):
                    rows.quality[row, i] |= _INVALID


def _reader(kind: ParameterType) -> Read | None:
    if kind.kind == "boolean":
        return _boolean(kind)
    return {"integer": _integer, "float": _float}.get(kind.kind)


def _integer(text: str) -> float:
    return _finite(float(text)) if _WHOLE.fullmatch(text) else math.nan


def _float(text: str) -> float:
    return _finite(float(text)) if _REAL.fullmatch(text) else math.nan


def _finite(x: float) -> float:
    return x if math.isfinite(x) else math.nan


def _boolean(kind: ParameterType) -> Read:
    """Match labels exactly, else regardless of case."""
    words = {label: float(raw) for raw, label in kind.labels}
    folded = {label.casefold(): raw for label, raw in words.items()}

    def read(text: str) -> float:
        return words.get(text, folded.get(text.casefold(), math.nan))

    return read


def _valid(kind: ParameterType, value: float) -> bool:
    return kind.valid is None or kind.valid[0] <= value <= kind.valid[1]
