"""Recorded flights as the grids of each group: what its models see, row by row."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.chain import Chain
from pipeline.chain.budget import DAY_NS
from pipeline.chain.groups import Group
from pipeline.flights.records import Flight
from pipeline.flights.run import load_recording, run_flight
from pipeline.mission.folder import Mission
from pipeline.models.families import MODEL_KINDS
from pipeline.outputs.pending import Pending
from schemas.columns import I8, Grid, PacketBatch

_NONE = np.zeros(0, np.int64)


@dataclass
class Heard:
    """Some parameters of one group in one flight. columns: their indexes in the group."""

    group: Group
    period_ns: int
    columns: I8
    grids: list[Grid] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.group.qualified_names[i] for i in self.columns)

    def feed(self, grid: Grid, offset: I8, batch: PacketBatch, out: list[Pending]) -> None:  # noqa: ARG002
        """Keep a copy of the rows; the chain's own are overwritten."""
        self.grids.append(
            Grid(
                grid.time_ns.copy(), grid.packet.copy(), grid.value.take(self.columns, 1),
                grid.quality.take(self.columns, 1), grid.age_ns.copy(), _NONE, _NONE, _NONE,
                None if grid.phase is None else grid.phase.copy(),
            )
        )  # fmt: skip

    @property
    def parameter_days(self) -> float:
        return self.days_of(self.whole)

    def days_of(self, rows: Grid) -> float:
        """Parameter-days of some of its rows."""
        return len(rows.time_ns) * len(self.columns) * self.period_ns / DAY_NS

    @cached_property
    def whole(self) -> Grid:
        """All rows of the flight, once it is over."""
        g, f = self.grids, len(self.columns)
        return Grid(
            np.concatenate([_NONE, *(x.time_ns for x in g)]),
            np.concatenate([_NONE, *(x.packet for x in g)]),
            np.concatenate([np.empty((0, f)), *(x.value for x in g)]),
            np.concatenate([np.empty((0, f), np.uint8), *(x.quality for x in g)]),
            np.concatenate([_NONE, *(x.age_ns for x in g)]), _NONE, _NONE, _NONE,
            np.concatenate([_NONE, *(x.phase for x in g if x.phase is not None)]),
        )  # fmt: skip


@dataclass(slots=True)
class Recorded:
    """A recorded flight. files: as given; sha256: of their bytes, one after the other."""

    files: tuple[Path, ...]
    flight: Flight
    sha256: str

    @property
    def name(self) -> str:
        return self.files[0].parent.name + "/" + self.files[0].name


def read_flight(paths: Path | Sequence[Path], mission: Mission) -> Recorded:
    """FlightError where there is no packet of the mission in it."""
    files = (paths,) if isinstance(paths, Path) else tuple(paths)
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    flight = load_recording(files, mission, Chain(mission)).flight
    return Recorded(files, flight, digest.hexdigest())


def hear(recorded: Recorded, mission: Mission, patterns: Sequence[str]) -> list[Heard]:
    """The numeric parameters of a flight whose names match, by group, in the chain's order."""
    chain = Chain(mission)
    heard = [*listen(chain, lambda name: any(fnmatchcase(_short(name), p) for p in patterns))]
    for _ in run_flight(recorded.flight, chain):
        pass
    return heard


def _short(qualified_name: str) -> str:
    """The key of a parameter: its path below the root SpaceSystem."""
    return qualified_name.split("/", 2)[2]


def listen(chain: Chain, wanted: Callable[[str], bool]) -> Iterator[Heard]:
    """From here on collect the numeric parameters whose qualified names are wanted, by group."""
    for container in chain.containers:
        for group in container.groups:
            both = zip(group.group.parameters, group.group.qualified_names, strict=True)
            chosen = [
                i for i, (p, name) in enumerate(both) if p.type.kind in MODEL_KINDS and wanted(name)
            ]
            if chosen:
                heard = Heard(group.group, group.period_ns, np.array(chosen))
                group.listeners.append(heard)
                yield heard
