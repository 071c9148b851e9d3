"""The real flights that docs/flights.md shows and the integration tests replay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.formats.importing import import_flight
from pipeline.formats.series import Options
from pipeline.mdb.epochs import parse_epoch

PROJECT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Prepared:
    """A file of packets, its mission folder, and the XTCE that goes with it."""

    packets: Path
    mission: Path
    mdb: Path | None


def _imported(out: Path, mission: str, paths: list[Path], epoch: str) -> Prepared:
    options = Options(epoch_ns=parse_epoch(epoch), sentinels=(2147483647.0,))
    made = import_flight(paths, out.name, options)
    out.mkdir()
    (out / "packets.bin").write_bytes(made.packets)
    (out / "xtce.xml").write_bytes(made.xtce)
    return Prepared(out / "packets.bin", PROJECT / "missions" / mission, out / "xtce.xml")


def jpss1(data: Path, out: Path) -> Prepared:  # noqa: ARG001 - it is read where it stands
    folder = data / "ccsds" / "jpss1"
    packets = next(folder.glob("*.DAT1"))
    return Prepared(
        packets, PROJECT / "missions" / "jpss1", folder / "jpss1_geolocation_xtce_v1.xml"
    )


def bangabandhu(data: Path, out: Path) -> Prepared:
    folder = data / "flights" / "spacex" / "Bangabandhu-1"
    path = folder / "Bangabandhu-1 raw.json"
    return _imported(out / "bangabandhu", "spacex", [path], "2018-05-11T20:14:00")


def iridium(data: Path, out: Path) -> Prepared:
    folder = data / "flights" / "spacex" / "Iridium NEXT 4"
    path = folder / "Iridium NEXT 4 raw.json"
    return _imported(out / "iridium", "spacex", [path], "2017-12-23T01:27:23")


def telemega(data: Path, out: Path) -> Prepared:
    paths = list((data / "flights" / "rocketpy").glob("*TeleMega.csv"))
    return _imported(out / "telemega", "rocketpy", paths, "2022-06-24T15:17:16")


def telemetrum(data: Path, out: Path) -> Prepared:
    paths = list((data / "flights" / "rocketpy").glob("*TeleMetrum.csv"))
    return _imported(out / "telemetrum", "rocketpy", paths, "2022-06-24T15:17:16")


FLIGHTS: dict[str, Callable[[Path, Path], Prepared]] = {
    "jpss1": jpss1,
    "bangabandhu": bangabandhu,
    "iridium": iridium,
    "telemega": telemega,
    "telemetrum": telemetrum,
}
