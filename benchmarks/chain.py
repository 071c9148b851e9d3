"""The chain in process: 1 Hz, windows of 60 s and 600 s in panes."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.goals import CHAIN, OUTPUTS_SHARE, STATE_KB
from benchmarks.timing import median_of_fresh, seconds
from pipeline.chain import Chain
from pipeline.formats.importing import mission_toml
from pipeline.formats.spec import Column, Recorded, Table, packets_of
from pipeline.formats.xtce import write_xtce
from pipeline.mission.folder import Mission, load_mission
from schemas.mission import AlarmRanges
from schemas.records import (
    PACKETS_HEADERS,
    TICK_HEADERS,
    RawRecord,
    Records,
    encode_packets,
    encode_tick,
)

BEGIN = 1_700_000_000 * 10**9
INF = float("inf")


def tables(parameters: int, a_packet: int = 25) -> list[Table]:
    alarm = AlarmRanges((-INF, -60.0, -INF, -80.0, -INF), (INF, 60.0, INF, 80.0, INF), 3)
    width = min(a_packet, parameters)
    return [
        Table(
            f"C{c}", c + 1, tuple(Column(f"P{c}_{i}", "f4", "V", alarm=alarm) for i in range(width))
        )
        for c in range(parameters // width)
    ]


def mission(found: list[Table]) -> Mission:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "x.xml").write_bytes(write_xtce("B", found))
        (folder / "mission.toml").write_text(mission_toml("bench", "x.xml"))
        return load_mission(folder)


def records(found: list[Table], seconds: int) -> list[RawRecord]:
    """A record a second: a packet of every container, then a tick."""
    rng = np.random.default_rng(1)
    time = BEGIN + np.arange(seconds) * 10**9 + 300_000_000
    flown = []
    for table in found:
        walk: dict[str, NDArray[Any]] = {
            c.name: (20 * rng.normal() + rng.normal(0, 1, seconds)).astype(np.float32)
            for c in table.columns
        }
        flown.append(Recorded(table, time, walk))
    return records_of(flown)


def records_of(flown: list[Recorded]) -> list[RawRecord]:
    """The same for recorded tables with rows at equal times, a second apart."""
    time = flown[0].time_ns
    blocks = [packets_of(r, np.arange(len(time))) for r in flown]
    made = []
    for k in range(len(time)):
        content = b"".join(b[k].tobytes() for b in blocks)
        value = encode_packets([int(time[k])] * len(flown), content)
        made.append(RawRecord(2 * k, value, PACKETS_HEADERS))
        tick = encode_tick(BEGIN + (k + 1) * 10**9)
        made.append(RawRecord(2 * k + 1, tick, TICK_HEADERS))
    return made


def chunks(given: list[RawRecord], size: int) -> list[Records]:
    """In columns, as the lane has them; size: records of each."""
    return [Records.of(given[i : i + size]) for i in range(0, len(given), size)]


def begun(settings: Mission, first: Records | list[RawRecord]) -> Chain:
    """A chain that has been fed: what is made with the first packets is made."""
    chain = Chain(settings)
    chain.feed(first)
    return chain


def feed(chain: Chain, given: list[RawRecord], batch: int) -> None:
    for i in range(0, len(given), batch):
        chain.feed(given[i : i + batch])


def stages(chain: Chain, given: list[RawRecord], batch: int) -> None:
    """Everything but the making of output records: packets → decode → … → monitor."""
    for i in range(0, len(given), batch):
        packets, _ = chain.packets.feed(given[i : i + batch])
        decoded = chain._decoder.feed(packets)
        chain._contain(packets, decoded, np.flatnonzero(packets.length == 0), [])
        chain.statistics.pool.clear()


# parameters, parameters a packet, seconds of flight
SIZES = (
    (10, 10, 40_000), (100, 25, 12_000), (1000, 25, 3_000), (10_000, 25, 400), (1000, 4, 1_500),
    (1000, 100, 4_000),
)  # fmt: skip


def run() -> list[str]:
    lines = [
        "chain in process, one core (1 Hz, windows 60 s / 10 s and 600 s / 60 s), M samples/s",
        f"  share: of the stages' speed, with all outputs ({OUTPUTS_SHARE})",
        f"  kB of state a parameter: {STATE_KB}; goals stand behind the figures of the stages",
        "  parameters  a packet  stages  all outputs  share  kB a parameter    made in",
    ]
    for parameters, width, length in SIZES:
        found = tables(parameters, width)
        given, settings = records(found, length), mission(found)
        # chunks of about 16,000 packets: any other size gives the same bytes
        batch = max(2, 2 * (16_384 // len(found)))
        samples = parameters * (length - 1)
        make = partial(begun, settings, given[:2])
        bare = median_of_fresh(make, partial(stages, given=given[2:], batch=batch))
        all_ = median_of_fresh(make, partial(feed, given=given[2:], batch=batch))
        built = seconds(make)
        chain = make()
        feed(chain, given[2:200], batch)
        state = sum(
            a.nbytes for name, a in chain.snapshot().items() if not name.startswith("packets")
        )
        lines.append(
            f"  {parameters:10d}{width:10d}{samples / bare / 1e6:8.1f}{samples / all_ / 1e6:13.1f}"
            f"{bare / all_:7.2f}{state / parameters / 1e3:16.2f}{built:9.2f} s"
            f"  {CHAIN[parameters] if width in (10, 25) and parameters in CHAIN else '–'}"
        )
    return lines
