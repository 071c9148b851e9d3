"""Streams of packets of several missions, and what a bad link does to them.

`damaged` tracks where each byte came from, so what is undamaged is known by construction.

    python -m tests.laws.damage [STREAMS] [FIRST SEED]

prints how many undamaged packets of known APIDs a scanner loses, and the seeds.
"""

from __future__ import annotations

import struct
import sys
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.packets import Scanner

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
KINDS = ("flip", "length", "cut", "double", "insert")


class Sent(NamedTuple):
    """A stream as it was sent: packet i is data[start[i] : start[i] + length[i]]."""

    data: Bytes
    start: Places
    length: Places
    apid: Places


class Received(NamedTuple):
    """start, length, apid: of packets received whole, with all bytes undamaged and in order."""

    data: bytes
    start: list[int]
    length: list[int]
    apid: list[int]


def packet(head: int, count: int, body: bytes) -> bytes:
    """head: the first 16 bits, the APID among them. Unsegmented."""
    return struct.pack(">HHH", head, 0xC000 | count, len(body) - 1) + body


def sent(rng: np.random.Generator, apids: Places, packets: int) -> Sent:
    """Each APID has its size, or a range of sizes; counts begin anywhere."""
    count = rng.integers(0, 16384, len(apids))
    size = rng.integers(7, 200, len(apids))
    spread = np.where(rng.random(len(apids)) < 0.4, rng.integers(1, 300, len(apids)), 1)
    parts, start, length, chosen, at = [], [], [], [], 0
    for _ in range(packets):
        i = int(rng.integers(len(apids)))
        total = int(size[i] + rng.integers(spread[i]))
        a = int(apids[i]) | 0x800 * int(rng.random() < 0.9)
        body = rng.bytes(total - 6) if rng.random() < 0.7 else bytes(total - 6)
        parts.append(packet(a, int(count[i]), body))
        count[i] = (count[i] + 1) % 16384
        start.append(at)
        length.append(total)
        chosen.append(int(apids[i]))
        at += total
    data = np.frombuffer(b"".join(parts), np.uint8)
    return Sent(data, np.array(start), np.array(length), np.array(chosen))


def damaged(rng: np.random.Generator, stream: Sent, times: int) -> Received:
    data = stream.data.copy()
    origin = np.arange(len(data))  # place in what was sent; -1: none
    for _ in range(times):
        what = KINDS[int(rng.integers(len(KINDS)))]
        n = len(data)
        at = int(rng.integers(n - 1))
        if what == "flip":
            data[at] ^= np.uint8(1 << int(rng.integers(8)))
            origin[at] = -1
        elif what == "length":
            at = int(stream.start[int(rng.integers(len(stream.start)))])
            places = np.flatnonzero(np.isin(origin, (at + 4, at + 5)))
            if len(places) < 2:
                continue
            field = int(rng.integers(65536)) if rng.random() < 0.5 else int(rng.integers(600))
            data[places[:2]] = np.frombuffer(field.to_bytes(2, "big"), np.uint8)
            origin[places[:2]] = -1
        else:
            until = min(at + 1 + int(rng.integers(400)), n)
            head, behind = {"cut": (at, until), "double": (until, at), "insert": (at, at)}[what]
            junk = rng.bytes(until - at) if what == "insert" else b""
            piece = np.frombuffer(junk, np.uint8)
            data = np.concatenate([data[:head], piece, data[behind:]])
            nowhere = np.full(len(piece), -1)
            origin = np.concatenate([origin[:head], nowhere, origin[behind:]])
    return Received(data.tobytes(), *_whole(stream, origin))


def _whole(stream: Sent, origin: Places) -> tuple[list[int], list[int], list[int]]:
    starts, lengths, apids = [], [], []
    packet_at = {int(s): i for i, s in enumerate(stream.start)}
    for place in np.flatnonzero(np.isin(origin, stream.start)):
        i = packet_at[int(origin[place])]
        n = int(stream.length[i])
        run = origin[place : place + n]
        if len(run) == n and np.array_equal(run, np.arange(n) + origin[place]):
            starts.append(int(place))
            lengths.append(n)
            apids.append(int(stream.apid[i]))
    return starts, lengths, apids


def stream(rng: np.random.Generator) -> tuple[Sent, list[int]]:
    """A stream, and the APIDs of it that the database knows: half of them."""
    n = int(rng.integers(2, 12))
    apids = rng.choice(np.arange(1, 2000), n, replace=False)
    return sent(rng, apids, int(rng.integers(20, 120))), apids[: max(1, n // 2)].tolist()


def lost(got: Received, known: list[int]) -> tuple[int, int]:
    """How many packets of known APIDs are undamaged, and how many of these the scanner loses."""
    found = Scanner(known).feed(got.data, final=True)
    out = set(zip(found.start.tolist(), found.length.tolist(), strict=True))
    whole = [
        (at, n)
        for at, n, apid in zip(got.start, got.length, got.apid, strict=True)
        if apid in known
    ]
    return len(whole), sum(place not in out for place in whole)


def in_pieces(
    scanner: Scanner, data: bytes, rng: np.random.Generator, cuts: int
) -> tuple[list[bytes], list[tuple[int, bytes]]]:
    """Packets, and skips with their places, of a stream that is fed in pieces (cuts: how many)."""
    packets, skips = [], []
    at = sorted(rng.integers(0, len(data), cuts).tolist())
    for a, b in zip([0, *at], [*at, len(data)], strict=True):
        s = scanner.feed(data[a:b], final=b == len(data))
        packets += [bytes(s.data[x : x + n]) for x, n in zip(s.start, s.length, strict=True)]
        skips += list(zip(s.skip_at.tolist(), s.skip_bytes, strict=True))
    return packets, sorted(skips)


def main() -> None:
    given = [int(x) for x in sys.argv[1:]]
    streams, first = (*given, *(10_000, 0)[len(given) :])
    whole, missed, seeds = 0, 0, []
    for seed in range(first, first + streams):
        rng = np.random.default_rng(seed)
        one, known = stream(rng)
        n, m = lost(damaged(rng, one, int(rng.integers(1, 8))), known)
        whole, missed = whole + n, missed + m
        seeds += [seed] if m else []
    print(f"{streams} streams, seeds {first} to {first + streams - 1}: {whole} undamaged packets")
    print(f"of known APIDs, {missed} lost, in the streams {seeds}")


if __name__ == "__main__":
    main()
