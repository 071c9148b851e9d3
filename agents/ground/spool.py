"""Received data that the broker does not have yet, on disk: plain segment files, in order.

    spool/  00000000000000000000.seg   frames: head, value
            00000000000000048213.seg   named by the number of their first frame
            sent                       number of the first frame that the broker does not have
            writer                     random id: with it, a frame's number is unique for ever
            lock

Every frame is written before it is sent, and is sent with its number. So a kill loses nothing, and
a frame sent twice is recognised (`pipeline/packets/repeats.py`). Nothing is synced: frames survive
the process, not the machine.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import IO, Literal

from agents.host.errors import BrokerError

log = logging.getLogger("heartline.ingest")
WhenFull = Literal["oldest", "newest"]
_HEAD = struct.Struct(">IIQqIB")  # bytes of the value, CRC-32, number, time ns, packets, kind
_NUMBER = struct.Struct(">Q")
BOOT = Path("/proc/sys/kernel/random/boot_id")
SEGMENTS = 16  # of a full spool, about; one is dropped at a time
MOST_SEGMENT = 16 << 20


class FrameKind(IntEnum):
    PACKETS = 0
    TICK = 1
    SKIPPED = 2


@dataclass(frozen=True, slots=True)
class Frame:
    """A record to be sent. number: unique for its writer. time_ns: when it was received."""

    number: int
    kind: FrameKind
    value: bytes
    time_ns: int
    packets: int


@dataclass(frozen=True, slots=True)
class Limits:
    """size: bytes on disk. age_s: what has waited longer is dropped; 0: never. when_full: which
    frames give way."""

    size: int = 1 << 30
    age_s: float = 86_400.0
    when_full: WhenFull = "newest"


@dataclass(slots=True)
class Lost:
    """Frames that were dropped, and packets in them."""

    records: int = 0
    packets: int = 0

    def add(self, records: int, packets: int) -> None:
        self.records += records
        self.packets += packets


@dataclass(slots=True)
class _Segment:
    first: int
    path: Path
    size: int = 0
    end: int = 0  # number after its last frame
    packets: int = 0
    oldest_ns: int = 0
    newest_ns: int = 0

    def note(self, frame: Frame, size: int) -> None:
        self.oldest_ns = self.oldest_ns if self.size else frame.time_ns
        self.newest_ns = frame.time_ns
        self.end, self.size = frame.number + 1, self.size + size
        self.packets += frame.packets


class Spool:
    """BrokerError where the folder cannot be used, or another ingest uses it."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self.limits, self._folder = limits or Limits(), folder
        self._segment_size = min(max(self.limits.size // SEGMENTS, 1), MOST_SEGMENT)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(folder / "lock")
            self.writer = self._who()
            self._sent_file = os.open(folder / "sent", os.O_RDWR | os.O_CREAT, 0o644)
            told = os.pread(self._sent_file, _NUMBER.size, 0)
            self.segments = self._found()
        except BlockingIOError:
            raise BrokerError(
                f"{folder}: another ingest writes there: give each its own (--spool)."
            ) from None
        except OSError as error:
            raise BrokerError(f"{folder}: cannot be used as spool: {error.strerror}.") from None
        first = self.segments[0].first if self.segments else 0
        self.next = self.segments[-1].end if self.segments else 0
        self.sent = max(_NUMBER.unpack(told)[0] if len(told) == _NUMBER.size else 0, first)
        self.next = max(self.next, self.sent)
        self.cursor = self.sent
        self.full, self.old = Lost(), Lost()
        self._out: IO[bytes] | None = None
        self._in: tuple[_Segment, IO[bytes], int] | None = None  # and number of its next frame
        for empty in [s for s in self.segments if not s.size]:
            self._remove(empty)  # else the next segment would have its path
        self._forget_sent()

    # --- what is there ---------------------------------------------------------------------------

    @property
    def size(self) -> int:
        return sum(s.size for s in self.segments)

    @property
    def waiting(self) -> int:
        """Frames that are not at the broker."""
        return self.next - self.sent

    def _who(self) -> int:
        """The writer's id, a new one after each boot: frames lost for not being synced may have had
        numbers that are used again."""
        path = self._folder / "writer"
        boot = BOOT.read_bytes() if BOOT.exists() else b""
        told = path.read_bytes() if path.exists() else b""
        if len(told) < _NUMBER.size or told[_NUMBER.size :] != boot:
            told = secrets.token_bytes(_NUMBER.size) + boot
            path.write_bytes(told)
        return int(_NUMBER.unpack(told[: _NUMBER.size])[0])

    def _found(self) -> list[_Segment]:
        """Segments that an earlier process left; a frame that is not complete is cut off."""
        found = []
        for path in sorted(self._folder.glob("*.seg")):
            segment = _Segment(int(path.stem), path, end=int(path.stem))
            with path.open("rb") as file:
                for frame, size in _frames(file):
                    segment.note(frame, size)
            left = path.stat().st_size - segment.size
            if left:
                log.warning("%s: %d bytes of a frame that was never whole are cut", path, left)
                os.truncate(path, segment.size)
            found.append(segment)
        return found

    # --- in --------------------------------------------------------------------------------------

    def append(self, kind: FrameKind, value: bytes, time_ns: int, packets: int = 0) -> bool:
        """Store a frame. False: there is no room, and this frame is not stored."""
        frame = Frame(self.next, kind, value, time_ns, packets)
        content = _encode(frame)
        while self.size + len(content) > self.limits.size:
            if self.limits.when_full == "newest" or not self._drop_oldest(self.full):
                return False
        while not self._write(frame, content):  # the disk is full before the spool is
            if self.limits.when_full == "newest" or not self._drop_oldest(self.full):
                return False
        self.next += 1
        return True

    def _write(self, frame: Frame, content: bytes) -> bool:
        try:
            if self._out is None or self._is_ripe(self.segments[-1], frame.time_ns):
                self._roll()
            assert self._out
            if self._out.write(content) != len(content):  # a full disk may take only a part
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            log.error("%s: %s", self._folder, error.strerror)
            if self._out and self.segments:
                os.truncate(self.segments[-1].path, self.segments[-1].size)
            return False
        self.segments[-1].note(frame, len(content))
        return True

    def _is_ripe(self, segment: _Segment, now_ns: int) -> bool:
        """Large or old enough to begin another: frames are dropped by whole segments."""
        age_ns = self.limits.age_s * 1e9 / SEGMENTS
        old = bool(self.limits.age_s and segment.size) and now_ns - segment.oldest_ns > age_ns
        return old or segment.size >= self._segment_size

    def _roll(self) -> None:
        if self._out:
            self._out.close()
        path = self._folder / f"{self.next:020d}.seg"
        self._out = path.open("ab", buffering=0)
        self.segments.append(_Segment(self.next, path, end=self.next))

    def expire(self, now_ns: int) -> None:
        """Drop what has waited for too long."""
        oldest = now_ns - round(self.limits.age_s * 1e9)
        while self.limits.age_s and self.waiting and self.segments[0].newest_ns < oldest:
            if not self._drop_oldest(self.old):
                return

    def _drop_oldest(self, lost: Lost) -> bool:
        if not self.segments:
            return False
        gone = self.segments[0]
        records = gone.end - max(gone.first, self.sent)
        whole = max(gone.end - gone.first, 1)
        lost.add(records, gone.packets * records // whole)
        log.error("%s: %d records that no broker took are dropped", self._folder, records)
        self._remove(gone)
        self.sent = max(self.sent, gone.end)
        self.cursor = max(self.cursor, self.sent)
        self._note_sent()
        return True

    # --- out -------------------------------------------------------------------------------------

    def read(self, most: int) -> list[Frame]:
        """The next frames to be sent."""
        found: list[Frame] = []
        while len(found) < most and self.cursor < self.next:
            file = self._at_cursor()
            if file is None:
                break
            for frame, _ in _frames(file):
                found.append(frame)
                self.cursor = frame.number + 1
                if len(found) == most:
                    break
            assert self._in
            segment = self._in[0]
            self._in = (segment, file, self.cursor)
            if self.cursor < segment.end and len(found) < most:  # one of its frames is damaged
                log.error("%s: damaged, what follows in it is lost", segment.path)
                left = segment.end - self.cursor
                whole = max(segment.end - segment.first, 1)
                self.full.add(left, segment.packets * left // whole)
                self.cursor = segment.end
        return found

    def _at_cursor(self) -> IO[bytes] | None:
        """The file that holds the frame at the cursor, positioned there."""
        if self._in and self._in[2] == self.cursor and self.cursor < self._in[0].end:
            return self._in[1]
        if self._in:
            self._in[1].close()
            self._in = None
        for segment in self.segments:
            if segment.end > self.cursor:
                self.cursor = max(self.cursor, segment.first)
                file = segment.path.open("rb")
                self._in = (segment, file, self.cursor)
                at = 0
                for frame, size in _frames(file):
                    if frame.number >= self.cursor:
                        break
                    at += size
                file.seek(at)
                return file
        return None

    def rewind(self) -> None:
        """Read again what was read and is not acknowledged by the broker."""
        self.cursor = self.sent

    def done(self, number: int) -> None:
        """The broker has acknowledged all frames up to this one."""
        self.sent = max(self.sent, number + 1)
        self._note_sent()
        self._forget_sent()

    def _note_sent(self) -> None:
        os.pwrite(self._sent_file, _NUMBER.pack(self.sent), 0)

    def _forget_sent(self) -> None:
        while self.segments and self.segments[0].end <= self.sent:
            if len(self.segments) == 1 and self._out and self.segments[0].size < self._segment_size:
                return  # it is still being written
            self._remove(self.segments[0])

    def _remove(self, segment: _Segment) -> None:
        self.segments.remove(segment)
        if self._in and self._in[0] is segment:
            self._in[1].close()
            self._in = None
        if not self.segments and self._out:
            self._out.close()
            self._out = None
        segment.path.unlink(missing_ok=True)

    def close(self) -> None:
        for file in (self._out, self._in[1] if self._in else None, self._lock):
            if file:
                file.close()
        os.close(self._sent_file)


def _locked(path: Path) -> IO[str]:
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file


def _encode(frame: Frame) -> bytes:
    head = _HEAD.pack(len(frame.value), 0, frame.number, frame.time_ns, frame.packets, frame.kind)
    crc = zlib.crc32(frame.value, zlib.crc32(head))
    return head[:4] + crc.to_bytes(4, "big") + head[8:] + frame.value


def _frames(file: IO[bytes]) -> Iterator[tuple[Frame, int]]:
    """Frames and their sizes from the file's position, up to one that is not complete."""
    while True:
        at = file.tell()
        head = file.read(_HEAD.size)
        if len(head) == _HEAD.size:
            size, crc, number, time_ns, packets, kind = _HEAD.unpack(head)
            value = file.read(size)
            plain = head[:4] + bytes(4) + head[8:]
            if len(value) == size and zlib.crc32(value, zlib.crc32(plain)) == crc:
                yield Frame(number, FrameKind(kind), value, time_ns, packets), _HEAD.size + size
                continue
        file.seek(at)
        return
