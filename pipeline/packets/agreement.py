"""Which headers of a byte stream are packets': what the length fields say, and what speaks against.

A database never decides what a packet is: in step, the length field does, whatever the APID. It may
lie, though (a bit flipped, a piece cut out), and then swallows those behind it. So every packet is
searched for headers of known APIDs within it, and where one leads on to another while the packet
itself leads nowhere, the packet lies and the inner one counts. Where both lead on (a dump of
recorded packets does), the sequence count decides: what was swallowed is what was to come next.

Positions are those before the ground header of a packet. `kind` of a header: 0 is none, ODD has an
APID that is not known, KNOWN a known one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from pipeline.kernel import inline, part
from pipeline.packets.header import apid, packet_length, sequence_count, sequence_flags, version
from schemas.columns import I8, U1
from schemas.space_packet import APIDS, HEADER_BYTES, IDLE_APID, SEQUENCE_MODULO

ODD, KNOWN = 1, 2
NO, YES, MORE = 0, 1, -1  # MORE: it takes bytes that have not come
NOTHING, WAIT = -1, -2  # places that are none: nothing is swallowed; as MORE
NEAR = 64  # counts from the one to come, either way, that are no chance
SOON = 16  # counts ahead of it that a swallowed packet may have
LEAST_LIMIT = 1024  # bytes of a packet that is believed within another
GROUND, LARGEST, ANY = range(3)  # of `facts`


class Stream(NamedTuple):
    """known: u1[2048]; coming: i8[2048], the sequence count to come, -1 where none was seen; begun:
    u1[256], first bytes that packets had; heads: u1[65536], first two bytes that a swallowed packet
    may have, of known APIDs (where any is known: of those that came); facts: bytes of a ground
    header, bytes of the largest packet that came in step, 1 where any APID is known."""

    known: U1
    coming: I8
    begun: U1
    heads: U1
    facts: I8


@part
def ahead(data: U1, at: int, coming: I8) -> int:
    """Its sequence count less the one to come, within half the modulo; the modulo where none is
    known."""
    expected = coming[apid(data, at)]
    if expected < 0:
        return SEQUENCE_MODULO
    step = (sequence_count(data, at) - expected) % SEQUENCE_MODULO
    return step - SEQUENCE_MODULO if step > SEQUENCE_MODULO // 2 else step


@part
def is_near(data: U1, at: int, coming: I8) -> bool:
    return abs(ahead(data, at, coming)) <= NEAR


@part
def kind(data: U1, at: int, stream: Stream) -> int:
    """Of the primary header at `at`. Zeros are none, though the standard would allow them; and a
    continuation segment of an APID that nobody knows is believed where its count is near."""
    if version(data, at) != 0:
        return NO
    if data[at] == 0 and data[at + 1] == 0 and data[at + 2] == 0 and data[at + 3] == 0:
        return NO
    if stream.known[apid(data, at)] == 1 and not stream.facts[ANY]:
        return KNOWN
    if sequence_flags(data, at) == 0 and not is_near(data, at, stream.coming):
        return NO
    return KNOWN if stream.known[apid(data, at)] == 1 else ODD


@inline
def kind_at(data: U1, i: int, n: int, final: bool, stream: Stream) -> int:
    """Of the header of the packet that begins at i; the end of all input agrees with anything."""
    if n - i < stream.facts[GROUND] + HEADER_BYTES:
        if not final:
            return MORE
        return KNOWN if i == n else NO
    return kind(data, i + stream.facts[GROUND], stream)


@inline
def leads_on(data: U1, i: int, n: int, final: bool, stream: Stream) -> int:
    """Whether a packet begins at i, as far as headers tell: YES, NO or MORE. An unknown APID is
    believed where another header follows."""
    found = kind_at(data, i, n, final, stream)
    if found != ODD:
        return YES if found == KNOWN else found
    at = i + stream.facts[GROUND]
    after = kind_at(data, at + packet_length(data, at), n, final, stream)
    if after == MORE:
        return MORE
    return YES if after else NO


@inline
def is_huge(data: U1, at: int, stream: Stream) -> bool:
    """Whether nothing as large has been seen: an unknown APID is not waited for that long."""
    return packet_length(data, at) > max(2 * stream.facts[LARGEST], LEAST_LIMIT)


@inline
def confirmed(data: U1, i: int, n: int, final: bool, fresh: bool, stream: Stream) -> int:
    """Out of step: whether the header at i is a packet's, whose end is within n. A known APID needs
    a count that is near, or a header behind it; an unknown one two of them. Where the stream begins
    (`fresh`) a known APID is enough."""
    at = i + stream.facts[GROUND]
    what = kind(data, at, stream)
    if what == NO:
        return NO
    if what == ODD and (is_huge(data, at, stream) or sequence_flags(data, at) == 0):
        return NO
    following = at + packet_length(data, at)
    if following > n:
        return NO if final else MORE
    if what == KNOWN and (fresh or is_near(data, at, stream.coming)):
        return YES
    return leads_on(data, following, n, final, stream)


@inline
def _is_candidate(data: U1, at: int, stream: Stream) -> bool:
    """Whether this could be the header of a swallowed packet."""
    if kind(data, at, stream) != KNOWN or is_huge(data, at, stream):
        return False
    return sequence_flags(data, at) != 0 or is_near(data, at, stream.coming)


@inline
def _may_straddle(data: U1, at: int, outer: int, end: int, stream: Stream) -> bool:
    """Whether a header that begins within a packet and ends behind it is worth waiting for: by its
    first byte, as others had it. A zero at the end is no beginning."""
    begins = stream.begun[data[at]] == 1 or data[at] == data[outer]
    return begins and not (at + 1 == end and data[at] == 0)


@inline
def _lands(data: U1, i: int, following: int, stream: Stream) -> bool:
    """Whether lengths lead from i to exactly `following`."""
    while i + stream.facts[GROUND] + HEADER_BYTES <= following:
        at = i + stream.facts[GROUND]
        if kind(data, at, stream) == NO:
            return False
        i = at + packet_length(data, at)
    return i == following


@part
def swallowed(data: U1, i: int, following: int, n: int, final: bool, stream: Stream) -> int:
    """Where the first packet begins that the one at i would swallow, if its length lies; else
    NOTHING or WAIT."""
    ground = stream.facts[GROUND]
    outer = i + ground
    end = min(following, n)
    heads = stream.heads
    for at in range(outer + 1, end):
        j = at - ground
        # most bytes end here, before any helper is called
        if at + 1 < n and heads[np.int64(data[at]) << 8 | np.int64(data[at + 1])] == 0:
            continue
        if at + HEADER_BYTES > end and not _may_straddle(data, at, outer, end, stream):
            continue
        if at + HEADER_BYTES > n:
            if final:
                break
            return WAIT
        if not _is_candidate(data, at, stream):
            continue
        behind = leads_on(data, following, n, final, stream) if following <= n else NO
        if behind == MORE:
            return WAIT
        if behind == YES:
            if not _comes_next(data, at, outer, stream):
                continue
            if _lands(data, j, following, stream):
                return j
            if not _is_doubtful(data, following, n, stream):
                if _two_come_next(data, at, n, stream):
                    return j
                continue
        elif is_near(data, at, stream.coming):
            return j
        inner = leads_on(data, at + packet_length(data, at), n, final, stream)
        if inner == MORE:
            return WAIT
        if inner == YES:
            return j
    return NOTHING


@inline
def _comes_next(data: U1, at: int, outer: int, stream: Stream) -> bool:
    """Whether the header at `at` has the count that is to come. Small numbers look like headers of
    continuation segments: those have it by chance."""
    step = ahead(data, at, stream.coming)
    if apid(data, at) == apid(data, outer):  # the outer one is not counted yet
        behind_it = sequence_count(data, at) - sequence_count(data, outer)
        step = behind_it % SEQUENCE_MODULO - 1
    return sequence_flags(data, at) != 0 and 0 <= step <= SOON


@inline
def _two_come_next(data: U1, at: int, n: int, stream: Stream) -> bool:
    """Whether the packet at `at`, whose count is to come, is followed by another such: a length may
    lie to the byte, and packets that a packet holds are not those that come next."""
    after = at + packet_length(data, at) + stream.facts[GROUND]
    if after + HEADER_BYTES > n or kind(data, after, stream) != KNOWN:
        return False
    if apid(data, after) == apid(data, at):
        return (sequence_count(data, after) - sequence_count(data, at)) % SEQUENCE_MODULO == 1
    return 0 <= ahead(data, after, stream.coming) <= SOON


@inline
def _is_doubtful(data: U1, i: int, n: int, stream: Stream) -> bool:
    """Whether the header at i, which may be a packet's, has nothing else to say for it."""
    if n - i < stream.facts[GROUND] + HEADER_BYTES:
        return False
    at = i + stream.facts[GROUND]
    return kind(data, at, stream) == ODD or not is_near(data, at, stream.coming)


@inline
def _expect(heads: U1, a: int) -> None:
    """Of version 0, either type, with or without a secondary header."""
    for bits in range(4):
        heads[bits << 11 | a] = 1


@part
def note(data: U1, at: int, in_step: bool, stream: Stream) -> None:
    """A packet was taken: what comes next of its APID, and how large one may be."""
    a = apid(data, at)
    if stream.known[a] == 0 and ahead(data, at, stream.coming) == 0:
        stream.known[a] = 1  # whatever the database knows
        _expect(stream.heads, a)
    if stream.facts[ANY] and stream.coming[a] < 0:
        _expect(stream.heads, a)
    stream.begun[data[at]] = 1
    stream.coming[a] = (sequence_count(data, at) + 1) % SEQUENCE_MODULO
    if in_step:
        stream.facts[LARGEST] = max(stream.facts[LARGEST], packet_length(data, at))


def stream_of(known_apids: Iterable[int] | None, ground: int) -> Stream:
    """At its beginning. known_apids: None for any."""
    known = np.zeros(APIDS, np.uint8)
    known[list(known_apids) if known_apids is not None else slice(None)] = 1
    known[IDLE_APID] = 1
    facts = np.array([ground, 0, known_apids is None], np.int64)
    heads = np.zeros(65536, np.uint8)
    for a in () if known_apids is None else np.flatnonzero(known):
        _expect(heads, a)
    coming = np.full(APIDS, -1, np.int64)
    return Stream(known, coming, np.zeros(256, np.uint8), heads, facts)
