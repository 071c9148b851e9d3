"""Finds packets in a byte stream that may hold anything: no sync marker, so headers must agree.

Three outcomes only: a packet, bytes skipped, or "need more". While in step, the length field says
where the next packet is (`agreement.py` has what contradicts it). Out of step, a header counts if
its APID is known and its sequence count is near, or if another good header is where it says the
next one is. A ground station may put its own header, of a fixed size, before each packet: it is
stepped over, unread.
Accounting: bytes in = packets + ground headers + skipped + pending.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.kernel import kernel
from pipeline.packets.agreement import (
    GROUND,
    MORE,
    NO,
    NOTHING,
    WAIT,
    YES,
    Stream,
    confirmed,
    kind,
    note,
    stream_of,
    swallowed,
)
from pipeline.packets.header import packet_length
from schemas.columns import I8, U1, Reason
from schemas.space_packet import HEADER_BYTES, MAX_PACKET_BYTES
from schemas.state import Stateful

MAX_SKIP_BYTES = 65_536  # of one skip: endless garbage must not pile up
LOST, IN_STEP, FRESH = range(3)


@dataclass(slots=True)
class Scanned:
    """`data[start[i] : start[i] + length[i]]` are packets. Skips are stream positions; so is `at`,
    the position of the first byte of `data`."""

    data: U1
    start: I8
    length: I8
    skip_at: I8  # position in the whole stream
    skip_bytes: list[bytes]
    skip_reason: list[Reason]
    header_bytes: int  # of ground headers before these packets
    at: int = 0


class Scanner(Stateful):
    """Feed it bytes in any pieces: the same packets and the same skips come out.

    known_apids: APIDs by which it gets back in step; None: any. While in step, packets of all
    others are found too.
    ground_header: bytes that stand before each packet.
    """

    def __init__(self, known_apids: Iterable[int] | None = None, ground_header: int = 0) -> None:
        self._stream, self._ground = stream_of(known_apids, ground_header), ground_header
        self._tail = b""
        self._skipped = b""
        self._position = 0  # stream position of the first byte of the tail
        self._step = FRESH

    @property
    def pending(self) -> int:
        """Bytes held back until more arrive: a packet begun, or a header not yet confirmed."""
        return len(self._tail) + len(self._skipped)

    def feed(self, data: bytes, final: bool = False, begins: bool = False) -> Scanned:
        """Packets and skips that these bytes complete. `final`: no more bytes will come. `begins`:
        the transport says that a packet begins here, as a datagram does."""
        joined = self._tail + data
        view = np.frombuffer(joined + b"\0" * HEADER_BYTES, np.uint8)
        n = len(joined)
        start, length = np.empty(n // 7 + 1, np.int64), np.empty(n // 7 + 1, np.int64)
        skips = np.empty((n // 7 + 2, 2), np.int64)
        packets, n_skips, used, step = scan(
            view, n, self._stream, IN_STEP if begins else self._step, final, start, length, skips
        )
        result = Scanned(
            view, start[:packets], length[:packets], np.zeros(0, np.int64), [], [],
            packets * self._ground, self._position,
        )  # fmt: skip
        self._close_skips(joined, result, skips[:n_skips], final)
        if final and used < n:
            _flush(result, self._position + used, joined[used:], Reason.TRUNCATED)
            used = n
        self._tail, self._step = joined[used:], FRESH if final else int(step)
        self._position += used
        return result

    def _close_skips(self, joined: bytes, result: Scanned, skips: I8, final: bool) -> None:
        """Report skips that a packet ended; one at the end may continue in the next piece."""
        last_packet = int(result.start[-1]) if len(result.start) else -1
        goes_on = len(skips) > 0 and skips[0, 0] == 0
        if not goes_on and (final or len(skips) or last_packet >= 0):
            self._end_skip(result, self._position)
        for first, last in skips:
            self._skipped += joined[first:last]
            end = self._position + int(last)
            self._flush_whole(result, end)
            if final or last_packet >= last:
                self._end_skip(result, end)

    def _flush_whole(self, result: Scanned, end: int) -> None:
        """Pieces of MAX_SKIP_BYTES of the open skip, counted from its beginning."""
        at = end - len(self._skipped)
        whole = len(self._skipped) // MAX_SKIP_BYTES * MAX_SKIP_BYTES
        for i in range(0, whole, MAX_SKIP_BYTES):
            _flush(result, at + i, self._skipped[i : i + MAX_SKIP_BYTES])
        self._skipped = self._skipped[whole:]

    def _end_skip(self, result: Scanned, end: int) -> None:
        if self._skipped:
            _flush(result, end - len(self._skipped), self._skipped)
        self._skipped = b""


def _flush(result: Scanned, at: int, content: bytes, reason: Reason = Reason.NOT_A_PACKET) -> None:
    result.skip_at = np.append(result.skip_at, at)
    result.skip_bytes.append(content)
    result.skip_reason.append(reason)


@kernel
def scan(
    data: U1, n: int, stream: Stream, step: int, final: bool, start: I8, length: I8, skips: I8
) -> tuple[int, int, int, int]:
    """Packets and skipped ranges of `data[:n]`; returns (packets, skips, bytes used, step).

    `i` and `following` are positions before the ground header.
    """
    packets, n_skips, i = 0, 0, 0
    ground = stream.facts[GROUND]
    while n - i >= ground + HEADER_BYTES:
        at, upto = i + ground, i + 1
        # headers beyond the reach of the largest packet are neither waited for nor used
        far = i + 2 * (ground + HEADER_BYTES) + MAX_PACKET_BYTES
        end, ended = min(n, far), final or n >= far
        if step == IN_STEP:
            good = YES if kind(data, at, stream) else NO
        else:
            good = confirmed(data, i, end, ended, step == FRESH, stream)
        if good == MORE:
            break
        following = at + packet_length(data, at)
        if good and following > n and not final:
            break
        if good:
            inner = swallowed(data, i, following, end, ended, stream)
            if inner == WAIT or (inner == NOTHING and following > n):
                break
            if inner != NOTHING:
                good, upto = NO, inner
        if good:
            note(data, at, step == IN_STEP, stream)
            start[packets], length[packets] = at, following - at
            packets += 1
            step, i = IN_STEP, following
            continue
        step = LOST if upto == i + 1 else IN_STEP  # at a packet that was swallowed
        if n_skips and skips[n_skips - 1, 1] == i:
            skips[n_skips - 1, 1] = upto
        else:
            skips[n_skips, 0], skips[n_skips, 1] = i, upto
            n_skips += 1
        i = upto
    return packets, n_skips, i, step
