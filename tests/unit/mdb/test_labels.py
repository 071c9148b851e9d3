"""A comparison with a label stands for each of its raw values."""

from __future__ import annotations

import itertools

import pytest

from pipeline.mdb.criteria import _labelled
from schemas.mission import AllOf, Comparison, Criteria, Reference

P = Reference("P", False)
LABELS = {0: "OFF", 1: "ON", 2: "ON", 3: "ON", 5: "ON", 7: "TEST"}
MEANT = {
    "==": lambda raw, values: raw in values, "!=": lambda raw, values: raw not in values,
    "<": lambda raw, values: raw < values[0], ">=": lambda raw, values: raw >= values[0],
    ">": lambda raw, values: raw > values[-1], "<=": lambda raw, values: raw <= values[-1],
}  # fmt: skip


def holds(criteria: Criteria, raw: int) -> bool:
    if isinstance(criteria, Comparison):
        right = criteria.right
        assert isinstance(right, int)
        return {
            "==": raw == right, "!=": raw != right, "<": raw < right, "<=": raw <= right,
            ">": raw > right, ">=": raw >= right,
        }[criteria.operator]  # fmt: skip
    parts = [holds(part, raw) for part in criteria.parts]
    return all(parts) if isinstance(criteria, AllOf) else any(parts)


@pytest.mark.parametrize(("operator", "label"), [*itertools.product(MEANT, ("OFF", "ON", "TEST"))])
def test_every_operator(operator: str, label: str) -> None:
    values = [raw for raw, text in LABELS.items() if text == label]
    criteria = _labelled(P, operator, values)
    for raw in range(-1, 9):
        assert holds(criteria, raw) is MEANT[operator](raw, values), raw
