"""Records of telemetry.raw to a PacketBatch: the first stage of the chain (docs/raw.md)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.kernel import kernel, load_be64
from pipeline.packets.digest import BLOCK_BYTES, Digests, InputDigest
from pipeline.packets.header import apid, packet_length, sequence_count, version
from pipeline.packets.repeats import Repeats
from schemas.columns import I4, I8, NEVER, U1, U2, PacketBatch, Reason, Rejects
from schemas.records import Kind, RawRecord, Records
from schemas.space_packet import APIDS, HEADER_BYTES, IDLE_APID, SEQUENCE_MODULO
from schemas.state import Stateful

COUNTERS = (
    "records", "packets", "ticks", "idle", "gaps", "missing", "repeats", "out_of_order",
    "ticks_back", "bytes", "controls", "records_repeated",
)  # fmt: skip
(
    _RECORDS, _PACKETS, _TICKS, _IDLE, _GAPS, _MISSING, _REPEATS, _DISORDER, _BACK, _BYTES,
    _CONTROLS, _TWICE,
) = range(12)  # fmt: skip
_PACKETS_KIND, _TICK_KIND, _BARE_KIND = int(Kind.PACKETS), int(Kind.TICK), int(Kind.BARE)
_CONTROL_KIND, _REPEAT_KIND = int(Kind.CONTROL), int(Kind.REPEAT)
_UNKNOWN = np.uint8(Reason.UNKNOWN_KIND)
_MALFORMED = np.uint8(Reason.MALFORMED_RECORD)
_NOT_A_PACKET = np.uint8(Reason.NOT_A_PACKET)
TICK_JUMP_NS = 300_000_000_000  # a tick further ahead counts when a second one confirms it
_SMALLEST = 15  # reception time and the shortest packet


class PacketReader(Stateful):
    """Verifies every record again, counts sequence gaps and repeats per APID, drops idle packets.

    State: last sequence count, missing and repeated packets of each APID, the last tick, and which
    records of each writer were received.
    """

    def __init__(self) -> None:
        self.state = {
            "last_sequence": np.full(APIDS, -1, np.int32),
            "missing": np.zeros(APIDS, np.int64),
            "repeats": np.zeros(APIDS, np.int64),
            "last_tick": np.array([NEVER, NEVER], np.int64),  # the last, and one to be confirmed
            "counters": np.zeros(len(COUNTERS), np.int64),
        }
        self.bounds = {
            "last_sequence": (-1, SEQUENCE_MODULO - 1), "digest_filled": (0, BLOCK_BYTES - 1)
        }  # fmt: skip
        self.repeats = Repeats()
        self._digest = InputDigest()
        self.state |= self.repeats.state | self._digest.state

    @property
    def counters(self) -> dict[str, int]:
        return dict(zip(COUNTERS, self.state["counters"].tolist(), strict=True))

    def takes(self, tick_ns: int) -> bool:
        """Whether a tick of that time would count if it came next (same rule as in `read`)."""
        last, suspect = self.state["last_tick"].tolist()
        near = last != NEVER and tick_ns - last <= TICK_JUMP_NS
        twice = suspect != NEVER and 0 < tick_ns - suspect <= TICK_JUMP_NS
        return bool(tick_ns > last and (near or twice))

    def feed(self, records: Records | Sequence[RawRecord]) -> tuple[PacketBatch, Rejects]:
        """One batch of the given whole records, and rejects of what in them was not a packet."""
        given = records if isinstance(records, Records) else Records.of(records)
        room = len(given) + int(given.start[-1] - given.start[0]) // _SMALLEST
        batch = _empty_batch(given.data, room, given.start[:-1])
        refused = np.empty((len(given), 5), np.int64)
        s = self.state
        n, m = read(
            given.data, given.start, self._kinds(given), given.offset, given.timestamp_ns,
            given.shift_ns, s["last_sequence"], s["missing"], s["repeats"], s["last_tick"],
            s["counters"], batch.start, batch.length, batch.apid, batch.seq_count,
            batch.reception_ns, batch.time_offset_ns, batch.offset, batch.duplicate, batch.record,
            refused,
        )  # fmt: skip
        return _cut(batch, n, self._digest.feed(given)), _rejects(refused[:m], batch, n)

    def _kinds(self, records: Records) -> I8:
        """Kinds, of which repeats are one."""
        at = np.flatnonzero(records.number >= 0)
        if not len(at):
            return records.kind
        kind = records.kind.copy()
        kind[at[self.repeats.are(records.writer[at], records.number[at])]] = Kind.REPEAT
        return kind


def _empty_batch(data: U1, room: int, record_start: I8) -> PacketBatch:
    i8 = [np.empty(room, np.int64) for _ in range(4)]
    return PacketBatch(
        data, i8[0], np.empty(room, np.int32), np.empty(room, np.uint16),
        np.empty(room, np.uint16), i8[1], i8[2], i8[3], np.empty(room, np.uint8),
        np.empty(room, np.int32), record_start,
    )  # fmt: skip


def _cut(batch: PacketBatch, n: int, digests: Digests) -> PacketBatch:
    b = batch
    return PacketBatch(
        b.data, b.start[:n], b.length[:n], b.apid[:n], b.seq_count[:n], b.reception_ns[:n],
        b.time_offset_ns[:n], b.offset[:n], b.duplicate[:n], b.record[:n], b.record_start,
        digests=digests,
    )  # fmt: skip


def _rejects(rows: I8, batch: PacketBatch, n: int) -> Rejects:
    reason, record, offset, start, length = rows.T
    # the packets of a record come before its refused rest
    packet = np.searchsorted(batch.record[:n], record, side="right").astype(np.int64) - 1
    return Rejects(reason.astype(np.uint8), packet, record.astype(np.int32), offset, start, length)


@kernel
def read(
    data: U1,
    record_start: I8,
    kind: I8,
    record_offset: I8,
    timestamp_ns: I8,
    shift_ns: I8,
    last_sequence: I4,
    missing: I8,
    repeats: I8,
    last_tick: I8,
    counters: I8,
    start: I8,
    length: I4,
    apids: U2,
    sequence: U2,
    reception_ns: I8,
    time_offset_ns: I8,
    offset: I8,
    duplicate: U1,
    record: I4,
    refused: I8,
) -> tuple[int, int]:
    """Fill the batch's columns; returns (packets and ticks, refused ranges)."""
    n, m = 0, 0
    for r in range(len(kind)):
        begin, end = record_start[r], record_start[r + 1]
        counters[_RECORDS] += 1
        counters[_BYTES] += end - begin
        times, at, count = np.int64(-1), begin, np.int64(1)
        bad, bad_from = np.uint8(0), begin
        if kind[r] == _TICK_KIND:
            if end - begin != 8:
                bad = _MALFORMED
            else:
                now = np.int64(load_be64(data, begin)) + shift_ns[r]
                near = last_tick[0] != NEVER and now - last_tick[0] <= TICK_JUMP_NS
                twice = last_tick[1] != NEVER and 0 < now - last_tick[1] <= TICK_JUMP_NS
                if now <= last_tick[0]:
                    counters[_BACK] += 1
                elif not (near or twice):  # one wrong clock reading must not make a flight late
                    counters[_BACK] += 1
                    last_tick[1] = now
                else:
                    last_tick[0], last_tick[1] = now, NEVER
                    counters[_TICKS] += 1
                    start[n], length[n], apids[n], sequence[n] = begin, 0, 0, 0
                    reception_ns[n], time_offset_ns[n] = now, shift_ns[r]
                    offset[n], duplicate[n], record[n] = record_offset[r], 0, r
                    n += 1
            count, at = 0, end
        elif kind[r] == _PACKETS_KIND:
            if end - begin < 4:
                bad, count, at = _MALFORMED, 0, end
            else:
                count = np.int64(load_be64(data, begin) >> np.uint64(32))
                times, at = begin + 4, begin + 4 + 8 * count
                if at > end or count * _SMALLEST > end - begin:
                    bad, count, at = _MALFORMED, 0, end
        elif kind[r] == _CONTROL_KIND:  # the chain reads it
            counters[_CONTROLS] += 1
            count, at = 0, end
        elif kind[r] == _REPEAT_KIND:
            counters[_TWICE] += 1
            count, at = 0, end
        elif kind[r] != _BARE_KIND:
            bad, count, at = _UNKNOWN, 0, end
        for i in range(count):
            total = np.int64(0)
            if end - at >= HEADER_BYTES + 1:
                total = packet_length(data, at)
            if total == 0 or total > end - at:
                bad, bad_from, at = _MALFORMED, at, end
                break
            if version(data, at) != 0:
                bad, bad_from, at = _NOT_A_PACKET, at, end
                break
            a = apid(data, at)
            if a == IDLE_APID:
                counters[_IDLE] += 1
                at += total
                continue
            seq = sequence_count(data, at)
            twin = np.uint8(0)
            if last_sequence[a] >= 0:
                step = (seq - last_sequence[a]) % SEQUENCE_MODULO
                if step == 0:
                    counters[_REPEATS] += 1
                    repeats[a] += 1
                    twin = np.uint8(1)
                elif step > SEQUENCE_MODULO // 2:
                    counters[_DISORDER] += 1
                elif step > 1:
                    counters[_GAPS] += 1
                    counters[_MISSING] += step - 1
                    missing[a] += step - 1
            last_sequence[a] = seq
            counters[_PACKETS] += 1
            start[n], length[n], apids[n], sequence[n] = at, total, a, seq
            if times < 0:
                reception_ns[n] = timestamp_ns[r] + shift_ns[r]
            else:
                reception_ns[n] = np.int64(load_be64(data, times + 8 * i)) + shift_ns[r]
            time_offset_ns[n] = shift_ns[r]
            offset[n], duplicate[n], record[n] = record_offset[r], twin, r
            n += 1
            at += total
        if bad == 0 and at < end:
            bad, bad_from = _MALFORMED, at
        if bad != 0:
            refused[m, 0], refused[m, 1], refused[m, 2] = bad, r, record_offset[r]
            refused[m, 3], refused[m, 4] = bad_from - begin, end - bad_from
            m += 1
    return n, m
