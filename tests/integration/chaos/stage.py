"""The stage of a run: a cluster, its workers' network, and the flights that are flown on it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.broker.apache import Cluster, Node
from agents.broker.embedded import free_port
from agents.warm import warm_up
from pipeline.chain import Chain
from pipeline.flights.records import Flight, FlightRecord, pack
from pipeline.flights.run import load_recording
from pipeline.mission.folder import Mission, load_mission
from pipeline.simulate import simulate
from tests.conftest import PROJECT

SOURCES = ("s0", "s1", "s2")
BRISK = "group.min.session.timeout.ms=500\n"  # a dead worker is noticed within seconds
_PROXIED = """listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{proxy}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
"""


@contextmanager
def proxied(folder: Path, brokers: int) -> Iterator[tuple[Cluster, tuple[tuple[int, int], ...]]]:
    """A cluster, and (proxy's port, broker's port) of the way that workers take to each broker."""
    cluster = Cluster(folder / "kafka")
    ways = tuple((free_port(), free_port()) for _ in range(brokers))

    def more(node: Node) -> str:
        proxy, inner = ways[node.node - 1]
        ports = {"port": node.port, "controller": node.controller, "inner": inner, "proxy": proxy}
        return BRISK + _PROXIED.format(**ports)

    cluster.make(brokers, more=more)
    try:
        cluster.start()
        yield cluster, ways
    finally:
        cluster.stop()


def flights() -> tuple[dict[str, Mission], list[list[FlightRecord]]]:
    """Three sources of the simulated vehicle, and what each of them sends. Kernels compiled."""
    warm_up()
    mission = load_mission(PROJECT / "missions" / "demo")
    records = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(len(SOURCES)):
            path = Path(folder) / "packets.bin"
            path.write_bytes(simulate(number + 3, start=-12.0, end=240.0).packets)
            flight = load_recording(path, mission, Chain(mission)).flight
            keep = flight.data[flight.start + 1] != 104  # its 1 kHz packets
            records.append(
                list(
                    pack(
                        Flight(
                            flight.data,
                            flight.start[keep],
                            flight.length[keep],
                            flight.reception_ns[keep],
                        )
                    )
                )
            )
    return dict.fromkeys(SOURCES, mission), records
