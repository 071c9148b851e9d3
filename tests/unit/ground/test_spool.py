"""Frames on disk: in order, across a kill, and what gives way when there is no room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.ground.spool import Frame, FrameKind, Limits, Spool
from agents.host.errors import BrokerError

SECOND = 1_000_000_000


def put(spool: Spool, n: int, size: int = 50, time_ns: int = SECOND) -> int:
    """How many of n frames were kept."""
    return sum(
        spool.append(FrameKind.PACKETS, bytes([i % 256]) * size, time_ns + i, 2) for i in range(n)
    )


def numbers(frames: list[Frame]) -> list[int]:
    return [f.number for f in frames]


def test_in_order_and_whole(tmp_path: Path, rng: np.random.Generator) -> None:
    spool = Spool(tmp_path, Limits(1 << 20))
    given = [rng.bytes(int(n)) for n in rng.integers(0, 3000, 500)]
    got: list[Frame] = []
    for i, value in enumerate(given):
        assert spool.append(FrameKind(i % 3), value, i, i % 7)
        if rng.random() < 0.3:
            got += spool.read(int(rng.integers(1, 40)))
            if rng.random() < 0.5 and got:
                spool.done(got[-1].number)
    got += spool.read(1000)
    assert [f.value for f in got] == given
    assert [(f.kind, f.time_ns, f.packets) for f in got] == [
        (FrameKind(i % 3), i, i % 7) for i in range(500)
    ]
    spool.done(got[-1].number)
    assert (spool.waiting, len(spool.segments)) == (0, 1)
    spool.close()


def test_across_a_kill(tmp_path: Path) -> None:
    """What was not done comes again, with its numbers; a torn frame is cut, and new ones go on."""
    spool = Spool(tmp_path, Limits(1 << 16))
    assert put(spool, 300) == 300
    spool.read(200)
    spool.done(99)
    writer = spool.writer
    spool.close()  # a kill closes no less
    last = max(tmp_path.glob("*.seg"))
    with last.open("ab") as file:
        file.write(b"\0\0\0\x32torn")
    again = Spool(tmp_path, Limits(1 << 16))
    assert (again.writer, again.waiting) == (writer, 200)
    assert put(again, 5) == 5
    assert numbers(again.read(1000)) == [*range(100, 305)]
    again.rewind()
    assert numbers(again.read(3)) == [100, 101, 102]
    again.close()


def test_the_newest_gives_way(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Limits(10_000, when_full="newest"))
    kept = put(spool, 1000)
    assert 50 < kept < 200
    assert spool.size <= 10_000
    assert numbers(spool.read(2000)) == [*range(kept)]
    spool.done(kept - 1)
    assert put(spool, 10) == 10  # there is room again
    assert spool.full.records == 0
    spool.close()


def test_the_oldest_gives_way(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Limits(10_000, when_full="oldest"))
    spool.append(FrameKind.TICK, b"x" * 8, 0)
    spool.read(1)
    assert put(spool, 1000) == 1000
    assert spool.size <= 10_000
    left = numbers(spool.read(2000))
    assert left == [*range(left[0], 1001)]
    assert left[0] == spool.full.records > 0
    assert abs(spool.full.packets - 2 * spool.full.records) <= 2
    spool.close()


def test_what_is_old_is_dropped(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Limits(10_000, age_s=60))
    put(spool, 60)
    spool.expire(50 * SECOND)
    assert spool.waiting == 60
    spool.expire(90 * SECOND)
    assert spool.old.records >= 40
    assert spool.waiting + spool.old.records == 60
    spool.close()


def test_what_is_old_is_dropped_while_frames_go_on_coming(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Limits(1 << 20, age_s=10))
    for second in range(100):
        put(spool, 1, time_ns=second * SECOND)
        spool.expire(second * SECOND)
    assert 10 <= spool.waiting <= 12
    spool.close()


def test_killed_before_the_first_frame_of_a_segment(tmp_path: Path) -> None:
    """An empty last segment has the name of the one that is made next."""
    spool = Spool(tmp_path, Limits(1 << 16))
    put(spool, 100)
    (tmp_path / f"{spool.next:020d}.seg").touch()
    spool.close()
    again = Spool(tmp_path, Limits(1 << 16))
    assert put(again, 3) == 3
    assert numbers(again.read(100)) == [*range(100)]
    again.done(99)
    assert numbers(again.read(100)) == [100, 101, 102]
    again.close()


def test_a_machine_that_was_started_anew_numbers_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = tmp_path / "boot_id"
    boot.write_bytes(b"one")
    monkeypatch.setattr("agents.ground.spool.BOOT", boot)
    writers = []
    for word in (b"one", b"one", b"two"):
        boot.write_bytes(word)
        spool = Spool(tmp_path / "spool")
        writers.append(spool.writer)
        spool.close()
    assert writers[0] == writers[1] != writers[2]


def test_a_disk_that_takes_a_part_of_a_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    assert put(spool, 3) == 3
    out = spool._out
    assert out

    class Short:
        def write(self, content: bytes) -> int:
            return out.write(content[:20])

        def close(self) -> None:
            out.close()

    monkeypatch.setattr(spool, "_out", Short())
    assert put(spool, 1) == 0
    monkeypatch.setattr(spool, "_out", out)
    assert put(spool, 2) == 2
    assert numbers(spool.read(10)) == [*range(5)]
    spool.close()


def test_damage_costs_its_segment(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Limits(16_000))
    put(spool, 100)
    second = spool.segments[1]
    content = bytearray(second.path.read_bytes())
    content[60] ^= 1
    second.path.write_bytes(content)
    got = numbers(spool.read(1000))
    lost = set(range(100)) - set(got)
    assert got == sorted(got)
    assert lost <= set(range(second.first, second.end))
    assert spool.full.records == len(lost) > 0
    spool.close()


def test_one_ingest_a_folder(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(BrokerError, match="another ingest writes there"):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()


def test_a_folder_that_cannot_be_had(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BrokerError, match="cannot be used as spool"):
        Spool(tmp_path / "file" / "below")
