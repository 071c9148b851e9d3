"""`heartline import`, without kernels: their compiler would be half of its memory."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from agents.cli.options import FILE, name_option
from agents.host.terminal import Terminal
from pipeline.errors import MissionError
from pipeline.formats.importing import Imported, add_flight, import_flight
from pipeline.formats.lives import Life, lives_of
from pipeline.formats.series import DEFAULT_EPOCH_NS, Options
from pipeline.mdb import load_xtce
from pipeline.mdb.epochs import parse_epoch
from pipeline.mdb.mark import leave_mark
from schemas.mission import MissionDatabase

console = Terminal(stderr=True)


@click.command("import")
@click.argument("paths", nargs=-1, required=True, type=FILE)
@click.option(
    "--out", type=FILE, required=True, help="Mission folder to make; packets, with --mission."
)
@click.option(
    "--mission", "folder", type=FILE, help="One that an import made: this is another flight of it."
)
@name_option
@click.option("--time-column", default="", help="Its name; the usual ones are tried.")
@click.option("--epoch", default="", help="UTC of second 0 (2020-01-01 if not given).")
@click.option("--long", is_flag=True, help="CSV rows are time, parameter, value[, unit].")
@click.option("--sentinel", multiple=True, type=float, help="A value that means none.")
@click.option(
    "--hz", default=0.0, type=click.FloatRange(0), help="Rows a second, where none has a time."
)
@click.option(
    "--every", default=0.0, type=click.FloatRange(0), help="Seconds from row to row, as --hz."
)
@click.option(
    "--lives",
    default="",
    metavar="COLUMN",
    help="A recording of its own for each value of COLUMN, the number of a unit.",
)
@click.option(
    "--worn",
    default=0.0,
    type=click.FloatRange(0),
    help="With --lives: each ends in failure, and shows it for these last seconds (truth.json).",
)
@click.option("--keep", multiple=True, metavar="PATTERN", help="Columns that are taken, not all.")
@click.option("--drop", multiple=True, metavar="PATTERN", help="Columns that are left out.")
@click.option(
    "--as", "kinds", multiple=True, metavar="PATTERN=KIND",
    help="What columns are, number or text, where it was decided otherwise.",
)  # fmt: skip
@click.option("--sort-time", is_flag=True, help="Rows in order of time, not of the file.")
def import_(
    paths: tuple[Path, ...], out: Path, folder: Path | None, name: str, time_column: str,
    epoch: str, long: bool, sentinel: tuple[float, ...], hz: float, every: float, lives: str,
    worn: float, keep: tuple[str, ...],
    drop: tuple[str, ...], kinds: tuple[str, ...], sort_time: bool,
) -> None:  # fmt: skip
    """Turn recorded flights into packets, XTCE and mission.toml.

    CSV and TSV (wide or long), text in columns, Parquet, PX4 ULog, webcast JSON. What was decided
    of every column is printed; --as, --keep and --drop decide otherwise.
    """
    try:
        epoch_ns = parse_epoch(epoch) if epoch else DEFAULT_EPOCH_NS
    except ValueError:
        raise click.UsageError(f"--epoch {epoch!r} is no ISO date and time.") from None
    if hz and every:
        raise click.UsageError("--hz and --every say the same: one of them.")
    if worn and not lives:
        raise click.UsageError("--worn S goes with --lives COLUMN.")
    said = (*map(_kind, kinds), *((pattern, "drop") for pattern in drop))
    rate = 1 / every if every else hz
    options = Options(time_column, epoch_ns, sentinel, long, rate, said, keep, sort_time)
    if folder:
        made = add_flight(paths, folder, options)
    elif (out / "mission.toml").exists():
        raise MissionError(
            f"{out} is a mission folder already; it is left as it is. A further flight of it: "
            f"--mission {out} --out FILE.bin."
        )
    else:
        made = import_flight(paths, name or out.name, options)
        out.mkdir(parents=True, exist_ok=True)
        (out / "xtce.xml").write_bytes(made.xtce)
        (out / "mission.toml").write_text(made.mission_toml)
        if made.shared:
            made.shared.write(out)
    mission = folder or out
    mdb = _database(folder) if folder else load_xtce(out / "xtce.xml")
    written = _lives(made, lives, worn, out, mdb) if lives else _one(made, out, mdb)
    console.print(f"{made.rows} rows of {made.columns} columns → {written[0]}")
    if lives:
        console.print(f"  and {len(written) - 1} recordings more, one for each {lives}")
    console.print(
        f"Next: heartline run {written[0]} --mission {mission} --out FOLDER", highlight=False
    )
    for note in made.notes:
        console.print(f"  {note}")
    for column, parameter, what in made.decided:
        told = column if column == parameter else f"{column} → {parameter}"
        console.print(f"  {told}: {what}", highlight=False)
    for column, why in made.left_out:
        console.print(f"  left out: {column} ({why})")


def _database(folder: Path) -> MissionDatabase:
    from pipeline.mission.folder import load_mission  # kernels come with it: see above

    return load_mission(folder).mdb


def _one(made: Imported, out: Path, mdb: MissionDatabase) -> list[Path]:
    target = out if out.suffix == ".bin" else out / "packets.bin"
    _write(made, target, mdb)
    return [target]


def _lives(
    made: Imported, column: str, worn_s: float, out: Path, mdb: MissionDatabase
) -> list[Path]:
    targets = []
    for life in lives_of(made, column):
        target = out / "lives" / life.name / "packets.bin"
        _write(life, target, mdb)
        if worn_s:
            truth = orjson.dumps(life.truth(worn_s), option=orjson.OPT_INDENT_2)
            (target.parent / "truth.json").write_bytes(truth)
        targets.append(target)
    return targets


def _write(made: Imported | Life, target: Path, mdb: MissionDatabase) -> None:
    """The packets, and the mark of the mission database that they were made with."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        for block in made.blocks():
            file.write(block)
    leave_mark(target, mdb)


def _kind(text: str) -> tuple[str, str]:
    pattern, equals, kind = text.rpartition("=")
    if not equals or kind not in ("number", "text"):
        raise click.UsageError(f"--as {text!r}: say PATTERN=number or PATTERN=text.")
    return pattern, kind
