"""Packets out of a byte stream that may hold anything: no sync marker, so headers must agree.

Three outcomes only: a packet, bytes skipped, or "need more". While in step, each header follows
the packet before it. Out of step, a header counts when its APID is known and another good header
stands where it says the next one is. Accounting: bytes in = packets + skipped + pending.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.kernel import kernel
from pipeline.packets.header import (
    APIDS,
    HEADER_BYTES,
    IDLE_APID,
    apid,
    packet_length,
    version,
)
from schemas.columns import I8, U1, Reason
from schemas.state import Stateful


@dataclass(slots=True)
class Scanned:
    """`data[start[i] : start[i] + length[i]]` are packets; skips are stream positions."""

    data: U1
    start: I8
    length: I8
    skip_at: I8  # position in the whole stream
    skip_bytes: list[bytes]
    skip_reason: list[Reason]


class Scanner(Stateful):
    """Feed it bytes in any pieces: the same packets and the same skips come out.

    known_apids: APIDs that a header may carry; None accepts all.
    """

    def __init__(self, known_apids: Iterable[int] | None = None) -> None:
        known = np.zeros(APIDS, np.uint8)
        known[list(known_apids) if known_apids is not None else slice(None)] = 1
        known[IDLE_APID] = 1
        self._known = known
        self._tail = b""
        self._skipped = b""
        self._position = 0  # stream position of the first byte of the tail
        self._in_step = False

    @property
    def pending(self) -> int:
        """Bytes held back until more arrive: a packet begun, or a header not yet confirmed."""
        return len(self._tail) + len(self._skipped)

    def feed(self, data: bytes, final: bool = False) -> Scanned:
        """Packets and skips that these bytes complete. `final`: no more bytes will come."""
        joined = self._tail + data
        view = np.frombuffer(joined + b"\0" * HEADER_BYTES, np.uint8)
        n = len(joined)
        start, length = np.empty(n // 7 + 1, np.int64), np.empty(n // 7 + 1, np.int64)
        skips = np.empty((n // 7 + 2, 2), np.int64)
        packets, n_skips, used, in_step = scan(
            view, n, self._known, self._in_step, final, start, length, skips
        )
        result = Scanned(view, start[:packets], length[:packets], np.zeros(0, np.int64), [], [])
        self._close_skips(joined, result, skips[:n_skips], final)
        if final and used < n:
            self._flush(result, self._position + used, joined[used:], Reason.TRUNCATED)
            used, in_step = n, False
        self._tail, self._in_step = joined[used:], bool(in_step)
        self._position += used
        return result

    def _close_skips(self, joined: bytes, result: Scanned, skips: I8, final: bool) -> None:
        """Report skips that a packet has ended; the one at the end may go on in the next piece."""
        for first, last in skips:
            at = self._position + int(first) - len(self._skipped)
            if first > 0 and self._skipped:  # what was open ended before this piece began
                self._flush(result, self._position - len(self._skipped), self._skipped)
                self._skipped, at = b"", self._position + int(first)
            self._skipped += joined[first:last]
            goes_on = last == skips[-1][1] and not self._ended(result, int(last))
            if final or not goes_on:
                self._flush(result, at, self._skipped)
                self._skipped = b""
        if self._skipped and len(skips) == 0 and (final or len(result.start)):
            self._flush(result, self._position - len(self._skipped), self._skipped)
            self._skipped = b""

    @staticmethod
    def _ended(result: Scanned, last: int) -> bool:
        return bool(len(result.start)) and int(result.start[-1]) >= last

    @staticmethod
    def _flush(
        result: Scanned, at: int, content: bytes, reason: Reason = Reason.NOT_A_PACKET
    ) -> None:
        result.skip_at = np.append(result.skip_at, at)
        result.skip_bytes.append(content)
        result.skip_reason.append(reason)


@kernel
def scan(
    data: U1, n: int, known: U1, in_step: bool, final: bool, start: I8, length: I8, skips: I8
) -> tuple[int, int, int, bool]:
    """Packets and skipped ranges of `data[:n]`; returns (packets, skips, bytes used, in step)."""
    packets, n_skips, i = 0, 0, 0
    while n - i >= HEADER_BYTES:
        good = version(data, i) == 0 and known[apid(data, i)] == 1
        if good:
            total = packet_length(data, i)
            following = i + total
            if following > n and not (final and not in_step):
                break
            if not in_step:
                good = following <= n
                if good and n - following >= HEADER_BYTES:
                    good = version(data, following) == 0 and known[apid(data, following)] == 1
                elif good and not final:
                    break
                elif good:
                    good = following == n
        if good:
            in_step = True
            start[packets], length[packets] = i, total
            packets += 1
            i = following
            continue
        in_step = False
        if n_skips and skips[n_skips - 1, 1] == i:
            skips[n_skips - 1, 1] = i + 1
        else:
            skips[n_skips, 0], skips[n_skips, 1] = i, i + 1
            n_skips += 1
        i += 1
    return packets, n_skips, i, in_step
