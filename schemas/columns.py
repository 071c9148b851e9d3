"""The nouns that flow through the chain: few, and columnar. Times are ns since 1970 UTC, `i8`.

Arrays handed from stage to stage are views on buffers that the next `feed` overwrites:
whoever keeps a value copies it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import orjson
from numpy.typing import NDArray

U1 = NDArray[np.uint8]
U2 = NDArray[np.uint16]
U4 = NDArray[np.uint32]
U8 = NDArray[np.uint64]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]
F8 = NDArray[np.float64]
F4 = NDArray[np.float32]
State = dict[str, NDArray[Any]]

PADDING = 16  # readable bytes behind the last packet, so that kernels may load whole words
NEVER = -(2**63)  # a time that has not come


class Quality(IntFlag):
    """Bits of a sample's quality; zero is good."""

    INVALID = 1
    OUT_OF_RANGE = 2  # outside the calibrator's range
    INTERPOLATED = 4
    HELD = 8
    STALE = 16
    AFTER_GAP = 32
    LATE = 64
    DUPLICATE = 128


ABSENT = 255  # quality of what is not in the packet: no sample, good or bad
SECOND = 1_000_000_000  # ns
PLACE_BITS = 20  # low bits of a raw value that is a place: its size in bits; the first bit is above


def place_of(raw: int) -> tuple[int, int]:
    """(first bit in the batch's data, size in bits) of a string, binary or wide integer."""
    return raw >> PLACE_BITS, raw & ((1 << PLACE_BITS) - 1)


QUALITY_WORDS = tuple(q.name.lower() for q in Quality if q.name)


class Reason(IntEnum):
    """Why input was refused. The words are the API: they label counters and reject records."""

    UNKNOWN_KIND = 1  # record header kind or version is unknown
    MALFORMED_RECORD = 2  # lengths inside the record are wrong
    NOT_A_PACKET = 3  # primary header invalid, or bytes between packets
    NO_CONTAINER = 4  # no container's restriction criteria hold
    AMBIGUOUS_CONTAINER = 5  # several do
    TOO_SHORT = 6  # packet ends before its container does
    TRAILING_BYTES = 7  # packet goes on after its container ends
    LATE = 8  # behind the watermark
    TIME_JUMP = 9  # a jump ahead that no second packet confirmed
    UNKNOWN_SOURCE = 10
    BAD_TIME = 11  # generation time is not a time
    TRUNCATED = 12  # the input ended inside a packet
    BAD_SIZE = 13  # a size or place that the packet gives is invalid
    TOO_MANY = 14  # more elements than there are columns for, or segments than are held
    SEGMENT_LOST = 15  # segment of a packet that is not complete
    BAD_CONTROL = 16  # a control record that is invalid, or names something unknown
    UNSIGNED_CONTROL = 17  # a control record without an accepted signature
    SEGMENT = 18  # segment of a packet whose APID is not to be reassembled

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(slots=True)
class Heard:
    """Reception times of the newest packet of the source, and of the first one after the last loss
    of signal, as known at each packet and tick. i8[k], ns; NEVER before the first. received_ns:
    of the packet itself, limited to a time shortly after the last tick."""

    last_ns: I8
    back_ns: I8
    received_ns: I8

    def at(self, packet: I8) -> Heard:
        return Heard(self.last_ns[packet], self.back_ns[packet], self.received_ns[packet])


@dataclass(slots=True)
class PacketBatch:
    """Packets of one source in arrival order; ticks stand in it as packets of no length."""

    data: U1  # padded by PADDING
    start: I8
    length: I4
    apid: U2
    seq_count: U2
    reception_ns: I8
    time_offset_ns: I8
    offset: I8  # the record that carried it
    duplicate: U1  # 1 where the sequence count repeats the one before
    record: I4  # index of that record in this feed
    record_start: I8  # [records] where each record's value begins in `data`
    # source position for rejects, where a packet was reassembled elsewhere in `data`
    came_start: I8 | None = None
    came_length: I4 | None = None
    # by record: SHA-256 over the values of all of the source's records up to it
    digests: Any = ()  # pipeline.packets.digest.Digests
    phases: Any = None  # pipeline.timeline.phases.Changes, where the mission names phases
    heard: Heard | None = None  # of the source, as each packet or tick comes

    @property
    def source_start(self) -> I8:
        """Position in `data` at which the packet, or its last segment, was received."""
        return self.start if self.came_start is None else self.came_start

    @property
    def source_length(self) -> I4:
        return self.length if self.came_length is None else self.came_length

    def rejects(self, at: I8, reason: U1) -> Rejects:
        """Rejects of whole packets `at`; `start` is counted within the record's value."""
        record = self.record[at]
        start = self.source_start[at] - self.record_start[record]
        length = self.source_length[at].astype(np.int64)
        apid = self.apid[at].astype(np.int64)
        return Rejects(reason, at, record, self.offset[at], start, length, apid)

    def __len__(self) -> int:
        return len(self.start)


@dataclass(slots=True)
class Rows:
    """The packets of one container, in arrival order; k rows of f fields."""

    container: int
    packet: I8  # [k] index into the PacketBatch
    time_ns: I8  # [k] generation time
    raw: U8  # [k, f] bits, right aligned; of strings and wider fields the place, see `place_of`
    eng: F8  # [k, f] engineering value; enumerations and booleans as numbers; NaN of texts
    quality: U1  # [k, f] ABSENT where the packet does not hold the column
    choice: U1  # [k, c] of each choice of the plan: the first that held, from 1; 0: none
    data: U1  # the bytes that places lead into

    def at(self, which: NDArray[Any]) -> Rows:
        """Some of them: their places, or a mask."""
        return Rows(
            self.container, self.packet[which], self.time_ns[which], self.raw[which],
            self.eng[which], self.quality[which], self.choice[which], self.data,
        )  # fmt: skip


@dataclass(slots=True)
class Ordered:
    """Rows of one container in event time order, late ones removed; only the columns used on.

    `advance_*` tell that the watermark reached `advance_ns` before row `advance_row`.
    """

    time_ns: I8  # [k]
    packet: I8  # [k] the packet that released it
    eng: F8  # [k, c]
    quality: U1  # [k, c]
    advance_row: I8  # [a]
    advance_ns: I8  # [a]
    advance_packet: I8  # [a]


@dataclass(slots=True)
class Grid:
    """One group (container and rate) at its resampled times, with the watermark's advances."""

    time_ns: I8  # [k]
    packet: I8  # [k] the packet that closed this time
    value: F8  # [k, f]
    quality: U1  # [k, f]
    age_ns: I8  # [k]: one age a row, since the parameters of a container come together
    advance_row: I8
    advance_ns: I8
    advance_packet: I8
    phase: I8 | None = None  # [k] flight phase, where the mission names phases

    def part(self, a: int, b: int) -> Grid:
        """Rows a to b, without the watermark's advances; views."""
        none = np.zeros(0, np.int64)
        return Grid(
            self.time_ns[a:b], self.packet[a:b], self.value[a:b], self.quality[a:b],
            self.age_ns[a:b], none, none, none, None if self.phase is None else self.phase[a:b],
        )  # fmt: skip


class WindowBatch(NamedTuple):
    """Rolling statistics of one group and window; e closings of f parameters. NaN is no figure.

    A tuple, so that kernels take it whole.
    """

    end_ns: I8  # [e] end of the last pane
    packet: I8  # [e] the packet that closed it
    panes: I4  # [e] panes that hold data
    figures: F8  # [e, g, f] in the order of FIGURES, the quantiles, and their error
    quality: U4  # [e, 8, f] counts by quality bit


FIGURES = ("count", "mean", "std", "min", "max", "rms", "rate")
ROW = {name: row for row, name in enumerate(FIGURES)}  # of a figure in a WindowBatch


class Scores(NamedTuple):
    """What a model or a limit check says of k rows of f parameters, before any persistence.

    A tuple, so that kernels take it whole.
    """

    enter: U1  # [k, f] level that entering looks at; NO_VERDICT holds the state
    leave: U1  # [k, f] level that leaving looks at (deadband applied); >= enter
    predicted: F8  # [k, f]
    score: F8  # [k, f]
    detail: F8  # [k, d, f] family's own evidence; undefined where `leave` is not a level


NO_VERDICT = np.uint8(255)  # level of a sample without a verdict (invalid, stale, warming up)


class Change(NamedTuple):
    """One of `Transitions`, in plain numbers."""

    row: int
    parameter: int
    before: int
    after: int
    since_ns: int
    since_offset: int


@dataclass(slots=True)
class Transitions:
    """State changes of monitors: arrays of equal length n."""

    row: I8
    parameter: I8
    before: U1
    after: U1
    since_ns: I8  # when the run that led to it began
    since_offset: I8  # and the input record that began it

    def each(self) -> Iterator[Change]:
        if not len(self.row):  # nearly always
            return iter(())
        columns = (self.row, self.parameter, self.before, self.after, self.since_ns)
        every = (c.tolist() for c in (*columns, self.since_offset))
        return map(Change._make, zip(*every, strict=True))


@dataclass(slots=True)
class Rejects:
    """Input that was refused: nothing that came in goes unaccounted. Arrays of equal length."""

    reason: U1
    packet: I8  # order of the causes; the packet (or -1) that brought it up
    record: I4  # record of this feed that caused it
    offset: I8  # record that carried the bytes
    start: I8  # where in that record's value
    length: I8
    apid: I8 | None = None  # of whole packets

    @classmethod
    def empty(cls) -> Rejects:
        z = np.zeros(0, np.int64)
        return cls(z.astype(np.uint8), z, z.astype(np.int32), z, z, z)

    @classmethod
    def concatenate(cls, parts: list[Rejects]) -> Rejects:
        if not parts:
            return cls.empty()
        names = ("reason", "packet", "record", "offset", "start", "length")
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))

    def __len__(self) -> int:
        return len(self.reason)


@dataclass(slots=True)
class Output:
    """One record for a downstream topic."""

    topic: str  # logical name
    id: str
    key: bytes
    value: bytes
    level: int = 0  # alerts: the level reached, and the kind of the monitor, for counters
    kind: str = ""
    draft: dict[str, Any] | None = field(default=None, repr=False)  # alerts: until it is encoded
    headers: tuple[tuple[str, bytes], ...] = ()  # beside its id
    timestamp_ms: int | None = None

    @property
    def event(self) -> dict[str, Any] | None:
        """What an output says that is one JSON object. None: another form."""
        return orjson.loads(self.value) if self.value.startswith(b"{") else None


@runtime_checkable
class Stage(Protocol):
    """One contract for every stage: its state is arrays, and nothing but arrays."""

    def snapshot(self) -> State: ...

    def restore(self, state: State) -> None: ...
