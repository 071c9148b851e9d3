"""Snapshots: whole or not at all, never newer than the commit, never of another mission."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest

from agents.lane.snapshot import (
    Block,
    Marks,
    SnapshotError,
    blocks,
    decode_state,
    encode_state,
    newest_first,
    read_block,
)

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


MARKS = Marks("telemetry.raw-0", "f")


def log(*snapshots: tuple[int, bytes], marks: Marks = MARKS) -> list[Block]:
    return [
        b
        for i, (offset, content) in enumerate(snapshots)
        for b in blocks(content, offset, marks, str(i))
    ]


def newest(
    found: list[Block], at_most: int, marks: Marks = MARKS, other: str = "refuse"
) -> tuple[int, bytes] | None:
    """The first that may be taken."""
    every = newest_first(found, at_most, marks, other)
    return next(((s.offset, s.content) for s in every if not s.refused), None)


def refusals(found: list[Block], marks: Marks) -> list[str]:
    return [s.refused for s in newest_first(found, 99, marks)]


def test_newest_at_or_below_the_commit() -> None:
    found = log((10, b"ten"), (20, b"twenty"), (30, b"thirty"))
    assert newest(found, 25) == (20, b"twenty")
    assert newest(found, 9) is None


def test_many_blocks_and_a_torn_one() -> None:
    big = bytes(range(256)) * 8000  # three blocks
    found = log((10, b"ten"), (20, big))
    assert len(found) == 4
    assert newest(found, 99) == (20, big)
    assert newest(found[:-1], 99) == (10, b"ten")
    assert newest([found[0], *found[2:]], 99) == (10, b"ten")


def test_blocks_of_a_zombie_in_between() -> None:
    big = bytes(2_000_000)
    mine, zombies = log((20, big)), log((19, big + b"z"))
    for z in zombies:
        z.header["first"] = "zombie"
    mixed = [b for pair in zip(mine, zombies, strict=True) for b in pair]
    assert newest(mixed[:-1], 99) == (20, big)


def test_another_fingerprint_is_told() -> None:
    other = replace(MARKS, fingerprint="g")
    with pytest.raises(SnapshotError, match="other code, mission or settings"):
        newest(log((10, b"ten")), 99, other)
    assert newest(log((10, b"ten")), 99, other, "accept") == (10, b"ten")
    assert newest(log((10, b"ten")), 99, other, "reread") is None


def test_a_snapshot_is_of_its_topic() -> None:
    """One of a topic that was deleted is none of the topic of its name that was made anew."""
    old, new = (replace(MARKS, topic_id=x) for x in ("old", "new"))
    assert newest(log((10, b"ten"), marks=old), 99, old) == (10, b"ten")
    assert refusals(log((10, b"ten"), marks=old), new) == ["is of a telemetry.raw that was deleted"]
    assert newest(log((10, b"ten"), marks=old), 99) == (10, b"ten")  # a broker that tells no ids


def test_a_seal_is_of_this_deployment_and_lane() -> None:
    """Forged, unsealed, of another key, another lane or another offset: none is taken."""
    mine = replace(MARKS, key=b"k" * 32)
    sealed = log((10, b"ten"), marks=mine)
    assert newest(sealed, 99, mine) == (10, b"ten")
    moved = log((10, b"ten"), marks=mine)
    moved[-1].header["offset"] = 11
    for forged in (
        log((10, b"ten")),
        log((10, b"ten"), marks=replace(mine, key=b"l" * 32)),
        log((10, b"ten"), marks=replace(mine, place="telemetry.raw-1")),
        moved,
    ):
        (why,) = refusals(forged, mine)
        assert why.startswith("is not sealed with this deployment's key")
    forged = log((10, b"ten"), (20, b"mute"))
    forged[0] = sealed[0]
    assert newest(forged, 99, mine) == (10, b"ten"), "the older one serves"


@pytest.mark.parametrize(
    "header",
    [b"5", b"[]", b"null", b"{}", b"\xff", b'{"first":1,"index":0,"count":1}',
     b'{"first":"a","index":0,"count":1,"sha256":"x"}',
     b'{"first":"a","index":-1,"count":1}', b'{"first":"a","index":true,"count":1}',
     b'{"first":"a","index":0,"count":1,"sha256":"x","offset":"9","fingerprint":"f"}',
     b'{"first":"a","index":0,"count":1,"sha256":"x","offset":9,"fingerprint":5}',
     b'{"first":"a","index":0,"count":99999999999999999999,"offset":9}'],
)  # fmt: skip
def test_a_header_that_is_none_is_passed_over(header: bytes) -> None:
    assert read_block(header, b"") is None


def test_any_header_of_ours_is_read() -> None:
    for block in log((10, bytes(2_000_000)), marks=replace(MARKS, key=b"k" * 32)):
        ((_, header),) = block.headers
        assert read_block(header, block.value) == block


@pytest.mark.parametrize("shape", ["[-1]", "[-2,3]", "[2.5]", '["a"]', "[true]", "null"])
def test_a_shape_that_is_none_is_refused(shape: str) -> None:
    head = f'[["a","<f8",{shape}]]'.encode()
    with pytest.raises(SnapshotError):
        decode_state(len(head).to_bytes(4, "big") + head)


@pytest.mark.parametrize(
    "kind", [",", "i4,(1,2", "V0", "S0", "O", "M8[ns]", "U99999999999", "(2,)i4", "c16", ""]
)
def test_a_type_that_no_state_has_is_refused(kind: str) -> None:
    for name in ('"a"', "5", "null"):
        head = f'[[{name},"{kind}",[4611686018427387904,4611686018427387904]]]'.encode()
        with pytest.raises(SnapshotError):
            decode_state(len(head).to_bytes(4, "big") + head)
