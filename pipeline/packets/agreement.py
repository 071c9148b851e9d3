"""Which headers in a byte stream belong to packets, by length fields and what contradicts them.

A database never decides what a packet is: in step, the length field does, whatever the APID. It may
be wrong, though (a flipped bit, a missing piece), and then the packet swallows those after it. So
every packet is searched for headers of known APIDs inside it. If one of them leads to another
header while the packet itself leads to none, the packet's length is wrong and the inner one counts.
If both lead on (as in a dump of recorded packets), the sequence count decides: a swallowed packet
has the count that is expected next.

Positions are those before the ground header of a packet. `kind` of a header: 0 is not a header, ODD
has an unknown APID, KNOWN a known one.
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
NO, YES, MORE = 0, 1, -1  # MORE: needs bytes not yet received
NOTHING, WAIT = -1, -2  # instead of a place: nothing is swallowed; as MORE
NEAR = 64  # counts from the expected one, either way, that are not chance
SOON = 16  # counts ahead of the expected one that a swallowed packet may have
LEAST_LIMIT = 1024  # bytes up to which no packet is huge (`is_huge`)
GROUND, LARGEST, ANY = range(3)  # of `facts`


class Stream(NamedTuple):
    """known: u1[2048]; coming: i8[2048], the expected sequence count, -1 if none was seen; begun:
    u1[256], first bytes that packets had; heads: u1[65536], first two bytes that a swallowed packet
    may have, of known APIDs (if all count as known: of received ones); facts: bytes of a ground
    header, bytes of the largest packet received in step, 1 if all APIDs count as known."""

    known: U1
    coming: I8
    begun: U1
    heads: U1
    facts: I8


@part
def ahead(data: U1, at: int, coming: I8) -> int:
    """Its sequence count minus the expected one, within half the modulo; the modulo if none is
    expected yet."""
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
    """Kind of the primary header at `at`. All zeros are not a header, though the standard allows
    them. A continuation segment of an unknown APID is accepted only if its count is near."""
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
    """Kind of the header of the packet that begins at i; the end of all input counts as KNOWN."""
    if n - i < stream.facts[GROUND] + HEADER_BYTES:
        if not final:
            return MORE
        return KNOWN if i == n else NO
    return kind(data, i + stream.facts[GROUND], stream)


@inline
def leads_on(data: U1, i: int, n: int, final: bool, stream: Stream) -> int:
    """Whether a packet begins at i, as far as headers show: YES, NO or MORE. An unknown APID is
    accepted if another header follows."""
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
    """Whether a packet is far larger than any before: an unknown APID is not waited for so long."""
    return packet_length(data, at) > max(2 * stream.facts[LARGEST], LEAST_LIMIT)


@inline
def confirmed(data: U1, i: int, n: int, final: bool, fresh: bool, stream: Stream) -> int:
    """Out of step: whether the header at i is a packet's, whose end is within n. A known APID needs
    a count that is near. Otherwise a header must follow: one of a known APID, or two of any. Where
    the stream begins (`fresh`) a known APID is enough."""
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
    """Whether to wait for a header that begins in a packet and ends after it: only if its first
    byte is one that packets have had. A zero as the last byte does not count."""
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
    """Where the first packet begins that the one at i, with a wrong length, would swallow; else
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
    """Whether the header at `at` has a count that is expected next. Continuation segments are
    excluded: small numbers look like their headers, and match by chance."""
    step = ahead(data, at, stream.coming)
    if apid(data, at) == apid(data, outer):  # the outer one is not counted yet
        behind_it = sequence_count(data, at) - sequence_count(data, outer)
        step = behind_it % SEQUENCE_MODULO - 1
    return sequence_flags(data, at) != 0 and 0 <= step <= SOON


@inline
def _two_come_next(data: U1, at: int, n: int, stream: Stream) -> bool:
    """Whether the packet at `at`, whose count is expected next, is followed by another such. A
    wrong length may still end on a packet; packets inside a packet are not the expected ones."""
    after = at + packet_length(data, at) + stream.facts[GROUND]
    if after + HEADER_BYTES > n or kind(data, after, stream) != KNOWN:
        return False
    if apid(data, after) == apid(data, at):
        return (sequence_count(data, after) - sequence_count(data, at)) % SEQUENCE_MODULO == 1
    return 0 <= ahead(data, after, stream.coming) <= SOON


@inline
def _is_doubtful(data: U1, i: int, n: int, stream: Stream) -> bool:
    """Whether nothing else supports the header at i: its APID is unknown or its count not near."""
    if n - i < stream.facts[GROUND] + HEADER_BYTES:
        return False
    at = i + stream.facts[GROUND]
    return kind(data, at, stream) == ODD or not is_near(data, at, stream.coming)


@inline
def _expect(heads: U1, a: int) -> None:
    """Mark the heads of an APID: version 0, either type, with or without a secondary header."""
    for bits in range(4):
        heads[bits << 11 | a] = 1


@part
def note(data: U1, at: int, in_step: bool, stream: Stream) -> None:
    """A packet was accepted: update the expected count of its APID, and the largest size."""
    a = apid(data, at)
    if stream.known[a] == 0 and ahead(data, at, stream.coming) == 0:
        stream.known[a] = 1  # even if it is not in the database
        _expect(stream.heads, a)
    if stream.facts[ANY] and stream.coming[a] < 0:
        _expect(stream.heads, a)
    stream.begun[data[at]] = 1
    stream.coming[a] = (sequence_count(data, at) + 1) % SEQUENCE_MODULO
    if in_step:
        stream.facts[LARGEST] = max(stream.facts[LARGEST], packet_length(data, at))


def stream_of(known_apids: Iterable[int] | None, ground: int) -> Stream:
    """A stream at its beginning. known_apids: None for any."""
    known = np.zeros(APIDS, np.uint8)
    known[list(known_apids) if known_apids is not None else slice(None)] = 1
    known[IDLE_APID] = 1
    facts = np.array([ground, 0, known_apids is None], np.int64)
    heads = np.zeros(65536, np.uint8)
    for a in () if known_apids is None else np.flatnonzero(known):
        _expect(heads, a)
    coming = np.full(APIDS, -1, np.int64)
    return Stream(known, coming, np.zeros(256, np.uint8), heads, facts)
