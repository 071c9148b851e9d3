"""Records that come twice from a writer are dropped; those that come late are not."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.packets import PacketReader
from pipeline.packets.repeats import WINDOW, WRITERS, Repeats
from schemas.records import (
    PACKETS_HEADERS,
    Numbered,
    RawRecord,
    encode_packets,
    numbered,
    with_number,
)


def test_every_number_is_taken_once(rng: np.random.Generator) -> None:
    repeats, order = Repeats(), []
    for first in range(0, 20_000, 500):
        block = [*range(first, first + 500)]
        again = block[: int(rng.integers(0, 500))]
        order += [*block[: int(rng.integers(0, 500))], *again, *block]
    taken = [n for n in order if not repeats.is_repeat(Numbered(7, n))]
    assert sorted(taken) == [*range(20_000)]


@pytest.mark.parametrize("seed", range(30))
def test_many_at_once_are_as_one_by_one(seed: int) -> None:
    """Runs that follow, repeats, holes, jumps and several writers, in pieces of any size."""
    rng = np.random.default_rng(seed)
    writers, numbers, at = [], [], dict.fromkeys(range(3), 0)
    while len(numbers) < 3000:
        who, n = int(rng.integers(0, 3)), int(rng.choice([1, 5, 200, 1500]))
        at[who] = max(0, at[who] + int(rng.choice([0, 0, 0, 1, -3, 50, 10 * WINDOW])))
        numbers += range(at[who], at[who] + n)
        writers += [who] * n
        at[who] += n
    one, many, got = Repeats(), Repeats(), list[bool]()
    want = [one.is_repeat(Numbered(*of)) for of in zip(writers, numbers, strict=True)]
    first = 0
    while first < len(numbers):
        end = first + int(rng.integers(1, 400))
        part = np.array(writers[first:end], np.uint64), np.array(numbers[first:end], np.int64)
        got += many.are(*part).tolist()
        first = end
    assert got == want
    for name, array in one.state.items():
        np.testing.assert_array_equal(array, many.state[name], name)


def test_writers_are_apart_and_forgotten_by_age() -> None:
    repeats = Repeats()
    for writer in range(WRITERS + 1):
        assert not repeats.is_repeat(Numbered(writer, 5))
    assert all(repeats.is_repeat(Numbered(writer, 5)) for writer in range(1, WRITERS + 1))
    assert not repeats.is_repeat(Numbered(0, 5))  # it was heard longest ago


def test_a_hole_is_no_repeat() -> None:
    repeats = Repeats()
    taken = [
        n for n in (0, 1, 10 * WINDOW, 10 * WINDOW - 1, 3) if not repeats.is_repeat(Numbered(1, n))
    ]
    assert taken == [0, 1, 10 * WINDOW, 10 * WINDOW - 1]  # 3 is too far back to be known


def test_the_reader_drops_them_and_says_so() -> None:
    packet = b"\x08\x05\xc0\x00\x00\x03abcd"
    value = encode_packets([1], packet)
    headers = [with_number(PACKETS_HEADERS, Numbered(9, n)) for n in (0, 1, 0, 1, 2)]
    reader = PacketReader()
    batch, refused = reader.feed([RawRecord(i, value, h) for i, h in enumerate(headers)])
    assert batch.offset.tolist() == [0, 1, 4]
    assert not len(refused)
    assert reader.counters["records_repeated"] == 2


def test_headers_of_others_are_nobodys() -> None:
    for value in (b"", b"x", b"zz:1", b"1:-2", b"1:x", b"%x:1" % 2**64, b"1:%d" % 2**62):
        assert numbered((*PACKETS_HEADERS, ("ingest", value))) is None
    assert numbered((*PACKETS_HEADERS, ("ingest", b"ff:12"))) == (255, 12)
