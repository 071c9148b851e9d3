"""Segmented packets put together by their sequence flags (CCSDS 133.0-B-2, 4.1.3.4.2).

A segment is never a packet, whatever a database has for its APID: it is refused if it is not put
together. The mission lists the APIDs to put together: an open packet takes 90 kB of state.

A packet of several segments has the first one's primary header, with flags and length set as if it
had never been segmented, and the data fields of all segments in order. It takes the place of its
last segment. The sequence count, modulo 16384 (4.1.3.4.3), must rise by one from segment to
segment of an APID: a group with one missing, repeated or late is refused whole, never glued.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.kernel import inline, kernel
from pipeline.packets.header import apid, sequence_count, sequence_flags
from schemas.columns import I4, I8, PADDING, U1, PacketBatch, Reason, Rejects
from schemas.space_packet import APIDS, HEADER_BYTES, MAX_PACKET_BYTES, SEQUENCE_MODULO
from schemas.state import Stateful

MAX_SEGMENTS = 1024  # of a packet
_CONTINUATION, _FIRST, _LAST, _UNSEGMENTED = range(4)
_LOST, _MANY, _SEGMENT = (int(r) for r in (Reason.SEGMENT_LOST, Reason.TOO_MANY, Reason.SEGMENT))
_SEGMENTS, _BYTES, _NEXT = range(3)  # of `open`


class Reassembler(Stateful):
    """Stage between PacketReader and Decoder. apids: those whose segments are put together.

    State: for each APID one open packet of at most MAX_PACKET_BYTES and MAX_SEGMENTS, and where its
    segments were received. A larger packet is refused as TOO_MANY.
    """

    def __init__(self, apids: Sequence[int]) -> None:
        n = len(apids)
        self._slot_of = np.full(APIDS, -1, np.int64)
        self._slot_of[list(apids)] = np.arange(n)
        self.state = {
            "open": np.zeros((n, 3), np.int64),  # segments, bytes, the sequence count to come
            "content": np.zeros((n, MAX_PACKET_BYTES), np.uint8),
            "source": np.zeros((n, MAX_SEGMENTS, 3), np.int64),  # record's offset, start, length
        }
        most = [MAX_SEGMENTS, MAX_PACKET_BYTES, SEQUENCE_MODULO - 1]
        self.bounds = {"open": (0, np.array(most)), "source": (-(2**62), 2**62)}

    @property
    def pending(self) -> int:
        """Bytes of segments, headers included, whose packet is not whole yet."""
        counts = self.state["open"][:, _SEGMENTS]
        return sum(int(s[:n, 2].sum()) for s, n in zip(self.state["source"], counts, strict=True))

    def feed(self, batch: PacketBatch) -> tuple[PacketBatch, Rejects]:
        """The batch with whole packets in place of segments. Groups with a loss are refused.

        A refusal points at the segment's own record; its cause is the record that shows the loss.
        """
        s, n = self.state, len(batch)
        second = batch.data[batch.start + 2] >> np.uint8(6)
        if not len(self.state["open"]) and ((second == _UNSEGMENTED) | (batch.length == 0)).all():
            return batch, Rejects.empty()
        room = int(s["open"][:, _BYTES].sum()) + int(batch.length.sum())
        data = np.concatenate([batch.data, np.zeros(room + PADDING, np.uint8)])
        start, length = np.empty(n, np.int64), np.empty(n, np.int32)
        came_from = np.empty(n, np.int64)
        refused = np.empty((n + int(s["open"][:, _SEGMENTS].sum()), 7), np.int64)
        k, m = reassemble(
            batch.start, batch.length, batch.record, batch.record_start, batch.offset,
            self._slot_of, s["open"], s["content"], s["source"], len(batch.data), data,
            start, length, came_from, refused,
        )  # fmt: skip
        return _kept(batch, data, start[:k], length[:k], came_from[:k]), _rejects(refused[:m])


def _kept(batch: PacketBatch, data: U1, start: I8, length: I4, came: I8) -> PacketBatch:
    """The remaining packets: with the columns of their last segment, or with their own."""
    made = start >= len(batch.data)
    count = data[start[:, None] + np.arange(2, 4)].astype(np.uint16)
    first = (count[:, 0] & 63) << 8 | count[:, 1]
    return PacketBatch(
        data, start, length, batch.apid[came], np.where(made, first, batch.seq_count[came]),
        batch.reception_ns[came], batch.time_offset_ns[came], batch.offset[came],
        np.where(made, np.uint8(0), batch.duplicate[came]), batch.record[came],
        batch.record_start, batch.start[came], batch.length[came], batch.digests,
        heard=batch.heard and batch.heard.at(came),
    )  # fmt: skip


def _rejects(rows: I8) -> Rejects:
    reason, packet, record, offset, start, length, apids = rows.T
    return Rejects(
        reason.astype(np.uint8), packet, record.astype(np.int32), offset, start, length, apids
    )


@inline
def _refusal(opened: I8, slot: int, flags: int, count: int, size: int) -> int:
    """0 if a segment begins a packet or continues the open one; else the reason."""
    if flags in (_FIRST, _UNSEGMENTED):
        return 0
    if opened[slot, _SEGMENTS] == 0 or count != opened[slot, _NEXT]:
        return _LOST
    total = opened[slot, _BYTES] + size - HEADER_BYTES
    if total > MAX_PACKET_BYTES or opened[slot, _SEGMENTS] == MAX_SEGMENTS:
        return _MANY
    return 0


@inline
def _drop(
    opened: I8,
    source: I8,
    slot: int,
    reason: int,
    packet: int,
    record: int,
    apid_of: I8,
    refused: I8,
    m: int,
) -> int:
    """Refuse the open packet, at the record that shows that it will never be whole."""
    for i in range(opened[slot, _SEGMENTS]):
        refused[m, 0], refused[m, 1], refused[m, 2] = reason, packet, record
        for c in range(3):
            refused[m, 3 + c] = source[slot, i, c]
        refused[m, 6] = apid_of
        m += 1
    opened[slot, _SEGMENTS] = 0
    opened[slot, _BYTES] = 0
    return m


@inline
def _append(data: U1, at: int, size: int, count: int, opened: I8, content: U1, slot: int) -> None:
    """Append the first segment whole, of the others only the data field."""
    used = opened[slot, _BYTES]
    skip = HEADER_BYTES if used else 0
    for i in range(size - skip):
        content[slot, used + i] = data[at + skip + i]
    opened[slot, _SEGMENTS] += 1
    opened[slot, _BYTES] = used + size - skip
    opened[slot, _NEXT] = (count + 1) % SEQUENCE_MODULO


@inline
def _close(data: U1, at: int, opened: I8, content: U1, slot: int) -> int:
    """Write the open packet at `at`; returns its size."""
    size = opened[slot, _BYTES]
    for i in range(size):
        data[at + i] = content[slot, i]
    data[at + 2] |= 0xC0  # sequence flags: unsegmented
    data[at + 4], data[at + 5] = (size - 7) >> 8, (size - 7) & 255
    opened[slot, _SEGMENTS] = 0
    opened[slot, _BYTES] = 0
    return size


@kernel
def reassemble(
    start: I8,
    length: I4,
    record: I4,
    record_start: I8,
    offset: I8,
    slot_of: I8,
    opened: I8,
    content: U1,
    source: I8,
    room_at: int,
    data: U1,
    out_start: I8,
    out_length: I4,
    came_from: I8,
    refused: I8,
) -> tuple[int, int]:
    """Returns (packets out, segments refused). came_from: the packet that gave or completed each.

    `data` has room from `room_at` on; `content` and `source` hold the open packet of each APID.
    """
    k, m, free = 0, 0, room_at
    for p in range(len(start)):
        at, size, slot = start[p], np.int64(length[p]), np.int64(-1)
        flags, mine = _UNSEGMENTED, np.int64(-1)
        if size:  # else a tick
            mine = np.int64(apid(data, at))
            slot, flags = slot_of[mine], int(sequence_flags(data, at))
        if slot >= 0 or flags != _UNSEGMENTED:
            count = sequence_count(data, at)
            row, place = np.int64(record[p]), at - record_start[record[p]]
            reason = _SEGMENT if slot < 0 else _refusal(opened, slot, flags, count, size)
            if slot >= 0 and (reason or flags in (_FIRST, _UNSEGMENTED)):
                m = _drop(opened, source, slot, reason or _LOST, k - 1, row, mine, refused, m)
            if reason:
                refused[m, 0], refused[m, 1], refused[m, 2] = reason, k - 1, row
                refused[m, 3], refused[m, 4], refused[m, 5] = offset[p], place, size
                refused[m, 6] = mine
                m += 1
                continue
            if flags != _UNSEGMENTED:
                i = opened[slot, _SEGMENTS]
                source[slot, i, 0], source[slot, i, 1], source[slot, i, 2] = offset[p], place, size
                _append(data, at, size, count, opened, content, slot)
                if flags != _LAST:
                    continue
                at, size = free, _close(data, free, opened, content, slot)
                free += size
        out_start[k], out_length[k], came_from[k] = at, size, p
        k += 1
    return k, m
