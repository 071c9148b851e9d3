"""Ids of outputs, as they are made and as they are read of strangers."""

from __future__ import annotations

import pytest

from agents.readers.tail import object_of
from pipeline.outputs.ids import Place, id_of, place_of


def test_an_id_says_where_its_output_belongs() -> None:
    assert place_of(id_of(3, 12_345_678_901, 2)) == Place(3, 12_345_678_901, 2)
    assert Place(0, 9, 1) < Place(0, 10, 0) < Place(0, 10, 1)


@pytest.mark.parametrize(
    "id_", [None, 5, "", "telemetry.raw-0-1", "telemetry.raw-0-1-x", "telemetry.raw--1-1-0",
            "other-0-1-0", "telemetryxraw-0-1-0", f"telemetry.raw-0-{'9' * 5000}-0"],
)  # fmt: skip
def test_what_is_none_is_none(id_: object) -> None:
    assert place_of(id_) is None


@pytest.mark.parametrize(
    ("value", "said"),
    [(b'{"a":1}', {"a": 1}), (None, {}), (b"", {}), (b"[1]", None), (b"\x00", None)],
)
def test_a_record_of_a_stranger(value: bytes | None, said: object) -> None:
    assert object_of(value) == said
