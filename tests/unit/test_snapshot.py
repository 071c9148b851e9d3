"""Snapshots: whole or not at all, never newer than the commit, never of another mission."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from agents.snapshot import Block, SnapshotError, blocks, decode_state, encode_state, newest

STATE = {
    "b/x": np.arange(6.0).reshape(2, 3),
    "a": np.array([True]),
    "c": np.zeros((0, 4), np.int16),
}


def test_round_trip() -> None:
    back = decode_state(encode_state(STATE))
    assert back.keys() == STATE.keys()
    for name, array in STATE.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == array.dtype


def test_damage_is_refused(rng: np.random.Generator) -> None:
    """Cut or torn bytes raise SnapshotError and nothing else."""
    content = encode_state(STATE)
    for _ in range(300):
        torn = bytearray(content[: int(rng.integers(0, len(content) + 1))])
        for _ in range(3):
            if torn:
                torn[int(rng.integers(0, len(torn)))] = int(rng.integers(0, 256))
        with contextlib.suppress(SnapshotError):
            decode_state(bytes(torn))


def test_objects_are_refused() -> None:
    content = encode_state(STATE).replace(b'"|b1"', b'"|O8"')
    with pytest.raises(SnapshotError):
        decode_state(content)


def log(*snapshots: tuple[int, bytes]) -> list[Block]:
    return [
        b
        for i, (offset, content) in enumerate(snapshots)
        for b in blocks(content, offset, "f", str(i))
    ]


def test_newest_at_or_below_the_commit() -> None:
    found = log((10, b"ten"), (20, b"twenty"), (30, b"thirty"))
    assert newest(found, 25, "f") == (20, b"twenty")
    assert newest(found, 9, "f") is None


def test_many_blocks_and_a_torn_one() -> None:
    big = bytes(range(256)) * 8000  # three blocks
    found = log((10, b"ten"), (20, big))
    assert len(found) == 4
    assert newest(found, 99, "f") == (20, big)
    assert newest(found[:-1], 99, "f") == (10, b"ten")
    assert newest([found[0], *found[2:]], 99, "f") == (10, b"ten")


def test_blocks_of_a_zombie_in_between() -> None:
    big = bytes(2_000_000)
    mine, zombies = log((20, big)), log((19, big + b"z"))
    for z in zombies:
        z.header["first"] = "zombie"
    mixed = [b for pair in zip(mine, zombies, strict=True) for b in pair]
    assert newest(mixed[:-1], 99, "f") == (20, big)


def test_another_fingerprint_is_told() -> None:
    with pytest.raises(SnapshotError, match="other code, mission or settings"):
        newest(log((10, b"ten")), 99, "g")
    assert newest(log((10, b"ten")), 99, "g", "accept") == (10, b"ten")
    assert newest(log((10, b"ten")), 99, "g", "reread") is None
