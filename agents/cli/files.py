"""Commands on files: simulate, import, decode, run, check, mission init."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import orjson
from rich.progress import Progress
from rich.table import Table

from agents.cli.numbered import numbered_of, numbered_options
from agents.cli.options import (
    FILE,
    end_option,
    header_option,
    inside_option,
    mdb_option,
    mission_option,
    name_option,
    root_option,
    start_option,
)
from agents.host.terminal import Terminal
from agents.readers.run_files import RunFolder
from pipeline.chain import Chain
from pipeline.chain.explain import explain
from pipeline.chain.groups import make_groups, warnings_of, watched_columns
from pipeline.decode import compile_plans
from pipeline.errors import FlightError, MissionError
from pipeline.flights.run import cut_flight, load_recording, run_flight
from pipeline.flights.table import Written, write_tables
from pipeline.formats.importing import (
    gauges_of,
    identifier,
    mission_toml,
)
from pipeline.gate.in_force import in_force, models_first
from pipeline.mdb import load_xtce
from pipeline.mdb.mark import heed_marks, leave_mark
from pipeline.mdb.words import words
from pipeline.mission.apids import known_apids
from pipeline.mission.folder import load_mission, ranges_for
from pipeline.mission.schema import mission_schema
from pipeline.packets import Scanner
from pipeline.packets.files import scans
from pipeline.simulate import simulate as fly
from pipeline.simulate.faults import KINDS
from schemas.columns import Reason
from schemas.settings import TimeSettings
from schemas.space_packet import IDLE_APID

console = Terminal(stderr=True)
DEMO_MISSION = Path(__file__).parents[2] / "missions" / "demo" / "mission.toml"


@click.command()
@click.option("--out", type=FILE, required=True, help="Folder to write the flight into.")
@click.option("--seed", default=1, show_default=True)
@click.option("--faults", default="all", show_default=True, help="all, none, or kinds by comma.")
@click.option("--start", default=-300.0, show_default=True, help="Mission time, s.")
@click.option("--end", default=600.0, show_default=True, help="Mission time, s.")
def simulate(out: Path, seed: int, faults: str, start: float, end: float) -> None:
    """Fly the demo's launch vehicle: packets.bin, hl1.xml, mission.toml and truth.json."""
    chosen = {"all": KINDS, "none": ()}.get(faults, tuple(faults.split(",")))
    try:
        flight = fly(seed, chosen, start, end)
    except ValueError as error:
        raise click.UsageError(f"--faults: {error}.") from None
    if not flight.packets:
        raise click.UsageError("--end must lie after --start.")
    out.mkdir(parents=True, exist_ok=True)
    (out / "packets.bin").write_bytes(flight.packets)
    (out / "hl1.xml").write_bytes(flight.xtce)
    (out / "truth.json").write_bytes(orjson.dumps(flight.truth, option=orjson.OPT_INDENT_2))
    (out / "mission.toml").write_bytes(DEMO_MISSION.read_bytes())
    leave_mark(out / "packets.bin", load_xtce(out / "hl1.xml"))
    console.print(
        f"{len(flight.packets)} bytes of packets in {out}/packets.bin, faults in truth.json"
    )


@click.command()
@click.argument("paths", nargs=-1, required=True, type=FILE)
@click.option("--mdb", type=FILE, required=True, help="XTCE file.")
@click.option("--out", required=True, help="x.csv, or FOLDER/ for one CSV a container.")
@click.option("--raw", is_flag=True, help="Raw values in place of engineering values.")
@click.option("--allow-trailing", is_flag=True, help="Accept packets longer than their container.")
@root_option
@inside_option
@header_option
@click.option(
    "--segmented-apid", "segmented", multiple=True, type=click.IntRange(0, IDLE_APID - 1),
    help="An APID whose packets come in segments; may be given again.",
)  # fmt: skip
def decode(
    paths: tuple[Path, ...], mdb: Path, out: str, raw: bool, allow_trailing: bool,
    root_container: str, inside: tuple[Path, ...], skip_header_bytes: int,
    segmented: tuple[int, ...],
) -> None:  # fmt: skip
    """Decode packets of files, gzip or not, to CSV: one row a packet, columns in entry order."""
    database = load_xtce(mdb, root_container, inside)
    heed_marks(paths, database)
    plans = compile_plans(database, TimeSettings())
    scanner = Scanner(known_apids(database), skip_header_bytes)
    many = out.endswith("/") or Path(out).is_dir()
    found = (scanned for _, scanned in scans(paths, scanner))
    done = write_tables(found, plans, Path(out), raw, many, allow_trailing, segmented)
    for line, style in _told(done):
        console.print(line, style=style)
    if not done.rows:
        raise FlightError(f"{paths[0]}: nothing decoded with {mdb}. Is it of this mission?")


def _told(done: Written) -> Iterator[tuple[str, str]]:
    """Lines, and the style of each."""
    for name, n in done.rows.items():
        yield f"{n} rows of {name}", ""
    if done.ground_headers:
        yield f"stepped over {done.ground_headers} bytes of ground headers", ""
    if done.gaps:
        yield f"{done.missing} packets missing in {done.gaps} gaps of sequence counts", "yellow"
    if n := done.skipped[Reason.NOT_A_PACKET]:
        yield f"skipped {n} bytes that are no packets", "yellow"
    if n := done.skipped[Reason.TRUNCATED]:
        yield f"skipped {n} bytes of packets cut off by a file's end", "yellow"
    for line in done.refused.lines():
        yield line, "yellow"
    if done.pending:
        yield f"{done.pending} bytes of segments wait for a packet's end", "yellow"


@click.command()
@click.argument("flights", nargs=-1, required=True, type=FILE)
@mission_option
@mdb_option
@root_option
@header_option
@click.option("--out", type=FILE, required=True, help="Folder for the results.")
@start_option
@end_option
@numbered_options
def run(
    flights: tuple[Path, ...], folder: Path, mdb: Path | None, root_container: str,
    skip_header_bytes: int, out: Path, start: float | None, end: float | None, begin: str,
    hz: float,
) -> None:  # fmt: skip
    """Run a recorded flight through the chain with no Kafka: the same bytes as through it.

    Several files, gzip or not, are one flight in the order given.
    """
    mission = load_mission(folder, mdb, root_container)
    chain = Chain(mission)
    numbered = numbered_of(begin, hz)
    recording = load_recording(flights, mission, chain, skip_header_bytes, numbered)
    part = cut_flight(recording.flight, start, end)
    if not len(part.start):
        raise click.UsageError("no packet between --start and --end.")
    if out.exists() and not out.is_dir():
        raise click.UsageError(f"--out {out} is a file: name a folder.")
    with RunFolder(out, chain, recording) as results, Progress(console=console) as bar:
        task = bar.add_task("run", total=len(part.start))
        first = [*models_first(mission, int(part.reception_ns[0]))]
        for fed in run_flight(part, chain, first):
            results.add(fed)
            bar.update(task, completed=chain.packets.counters["packets"])
    for line in results.told:
        console.print(line)
    if not results.samples:
        raise FlightError(
            f"{flights[0]}: nothing decoded with {mission.mdb.path}. Is it of this mission?"
        )


@click.command()
@click.argument("folder", type=FILE)
@mdb_option
@root_option
@click.option(
    "--explain", "parameter", default="", help="All that happens to one, from bits to alert."
)
def check(folder: Path, mdb: Path | None, root_container: str, parameter: str) -> None:
    """Check a mission folder and say what will be done with each parameter."""
    found = load_mission(folder, mdb, root_container)
    if parameter:
        steps = Table(show_header=False)
        for step, what in explain(found, parameter):
            steps.add_row(step, what)
        Terminal().print(steps)
        return
    table = Table(title=f"{found.settings.name}: {found.mdb.path}")
    for column in ("container", "parameter", "type", "unit", "resampled", "alarm ranges"):
        table.add_column(column)
    plans = Chain(found).plans  # what cannot be run is reported here, not when a worker starts
    for plan in plans.plans:
        watched = watched_columns(found, plan)
        rate = {
            p.name: f"{g.rule.hz:g} Hz {g.rule.method}"
            for g in make_groups(found, plan, watched)
            for p in g.parameters
        }
        for f in plan.fields:
            p = f.parameter
            ranges = ranges_for(found.settings, p)
            limits = words(ranges) if ranges else ""
            table.add_row(
                plan.container, p.name, p.type.kind, p.type.unit, rate.get(p.name, "–"), limits
            )
    Terminal().print(table)
    for line in warnings_of(found, plans.plans):
        console.print(line, style="yellow")
    models = len([*in_force(found)])
    told = f", {models} trained in force" if models else ""
    console.print(
        f"{len(plans.plans)} containers, {len(found.mdb.parameters)} parameters{told}: good"
    )


@click.group()
def mission() -> None:
    """Mission folders."""


@mission.command("init")
@click.argument("xtce", type=FILE)
@click.option("--out", type=FILE, required=True, help="Mission folder to make.")
@name_option
@root_option
def mission_init(xtce: Path, out: Path, name: str, root_container: str) -> None:
    """Make a mission folder from an XTCE file: the file, and a mission.toml to fill in."""
    database = load_xtce(xtce, root_container)
    target = out / "mission.toml"
    if target.exists():
        raise MissionError(f"{target} exists already; it is left as it is.")
    out.mkdir(parents=True, exist_ok=True)
    (out / xtce.name).write_bytes(xtce.read_bytes())
    chosen = gauges_of(database)
    text = mission_toml(identifier(name or out.resolve().name), xtce.name, chosen)
    if root_container:
        text += f'root_container = "{root_container}"\n'
    target.write_text(text)
    console.print(f"{target} made. Next: heartline check {out}")
    numbers = sum(p.type.kind in ("integer", "float") for p in database.parameters.values())
    if len(chosen) < numbers:
        console.print(
            f"{len(chosen)} of {numbers} numbers are shown live; `gauges` in it says which.",
        )


@mission.command("schema")
def mission_schema_() -> None:
    """Print the JSON Schema of mission.toml, for an editor that checks as you type."""
    click.echo(orjson.dumps(mission_schema(), option=orjson.OPT_INDENT_2).decode())
