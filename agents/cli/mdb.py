"""`heartline mdb`: show, check and compare mission databases (XTCE)."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.table import Table
from rich.tree import Tree

from agents.cli.options import FILE, inside_option, root_option
from agents.host.terminal import Terminal
from pipeline.decode import compile_plans
from pipeline.decode.definitions.layout import MAX_DYNAMIC
from pipeline.errors import MissionError
from pipeline.mdb import load_xtce
from pipeline.mdb.compare import Change, differences
from pipeline.mdb.places import Placed, Places
from pipeline.mdb.schema import PACKAGE, schema_path, violations
from pipeline.mdb.words import criteria_words, type_words, words
from schemas.mission import Container, MissionDatabase, Parameter
from schemas.settings import TimeSettings

_STYLES = {"added": "green", "removed": "red", "changed": "yellow"}


@click.group()
def mdb() -> None:
    """Mission databases (XTCE files)."""


@mdb.command()
@click.argument("file", type=FILE)
@click.argument("name", default="", metavar="[PARAMETER|CONTAINER]")
@root_option
@inside_option
def show(file: Path, name: str, root_container: str, inside: tuple[Path, ...]) -> None:
    """Show a database: its containers as a tree, or one container or parameter in full."""
    found = load_xtce(file, root_container, inside)
    console = Terminal()
    if not name:
        console.print(_tree(found))
        return
    if name not in found.containers and name not in found.parameters:
        raise MissionError(
            f"{file}: there is neither a parameter nor a container {name!r}. "
            f"Names as the tree of `heartline mdb show {file}` has them."
        )
    if name in found.containers:
        console.print(_columns(found, found.containers[name]))
    if name in found.parameters:
        console.print(_parameter(found, found.parameters[name]))


@mdb.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@root_option
@inside_option
def check(files: tuple[Path, ...], root_container: str, inside: tuple[Path, ...]) -> None:
    """Load databases: tell refusals (status 1), what is passed over, and schema violations."""
    refused = [not _check(file, root_container, inside) for file in files]
    if schema_path() is None:
        click.echo(f"The schema was not checked: pip install {PACKAGE} brings it.")
    sys.exit(any(refused))


def _check(file: Path, root_container: str, inside: tuple[Path, ...]) -> bool:
    """Print what was found in one file; returns whether its packets can be decoded."""
    try:
        found = load_xtce(file, root_container, inside)
    except MissionError as error:
        for refusal in str(error).splitlines():
            click.echo(f"refused: {refusal}")
        return False
    told, decodes = _limits(found)
    click.echo(
        f"{file}: {'good' if decodes else 'is read, and decodes nothing'}: "
        f"{len(found.containers)} containers, {len(found.parameters)} parameters, "
        f"{len(found.derived)} of them computed"
    )
    for note in found.notes:
        click.echo(f"passed over: {note}")
    for limit in told:
        click.echo(limit)
    schema = schema_path()
    for each in (file, *inside):
        for line, what in violations(each, schema) if schema else ():
            click.echo(f"warning: {each}, line {line}, not as the schema of XTCE 1.2: {what}")
    return decodes


def _limits(found: MissionDatabase) -> tuple[list[str], bool]:
    """Lines on counts of which only so many are read; whether packets can be decoded at all."""
    try:
        counted = compile_plans(found, TimeSettings()).counted.values()
    except MissionError as error:
        return [f"refused: cannot be decoded: {error}"], False
    return [
        f"limit: {name} of {container}: at most {most} are read; a packet with more is refused"
        for container, name, most in dict.fromkeys(counted)
        if most == MAX_DYNAMIC
    ], True


@mdb.command()
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@root_option
def diff(old: Path, new: Path, root_container: str) -> None:
    """Tell what changed from one database to another; status 1 where they differ, like diff."""
    changes = differences(load_xtce(old, root_container), load_xtce(new, root_container))
    for change in changes:
        _tell(change)
    sys.exit(bool(changes))


def _tell(change: Change) -> None:
    click.secho(f"{change.how} {change.kind} {change.name}", fg=_STYLES[change.how])
    for detail in change.details:
        click.echo(f"  {detail}")


def _tree(found: MissionDatabase) -> Tree:
    """Containers below those they extend, with criteria and own columns."""
    places = Places(found)
    trees: dict[str, Tree] = {}
    top = Tree(f"{found.name}, {len(found.parameters)} parameters")
    todo = [c for c in found.containers.values() if c.base is None]
    while todo:
        of = todo.pop(0)
        above = trees[of.base] if of.base else top
        trees[of.name] = above.add(_title(found, of))
        for placed in places.of(of):
            trees[of.name].add(_line(found, placed))
        todo += [c for c in found.containers.values() if c.base == of.name]
    return top


def _title(found: MissionDatabase, of: Container) -> str:
    criteria = criteria_words(of.restriction)
    marks = [m for m, on in (("root", of.name == found.root), ("abstract", of.abstract)) if on]
    told = of.name + (f" ({', '.join(marks)})" if marks else "")
    return f"{told} if {criteria}" if criteria else told


def _line(found: MissionDatabase, placed: Placed) -> str:
    entry = placed.entry
    if entry.kind == "container":
        return f"{_at(placed)} container {entry.name}{_condition(placed)}"
    of = found.parameters[entry.name].type
    unit = f" {of.unit}" if of.unit else ""
    return f"{_at(placed)} {entry.name}: {type_words(of)}{unit}{_condition(placed)}"


def _columns(found: MissionDatabase, of: Container) -> Table:
    """Every column of a container, those of its bases first."""
    chain = [of]
    while chain[0].base:
        chain.insert(0, found.containers[chain[0].base])
    table = Table(title=" / ".join(_title(found, c) for c in chain))
    for column in ("bit", "entry", "type", "unit", "calibrator", "alarm", "condition"):
        table.add_column(column)
    places = Places(found)
    for placed in (p for c in chain for p in places.of(c)):
        entry = placed.entry
        known = found.parameters.get(entry.name) if entry.kind == "parameter" else None
        cells = ("container", "", "", "")
        if known:
            t = known.type
            cells = (type_words(t), t.unit, _some(t.calibrator), _some(t.alarm))
        table.add_row(_at(placed), entry.name, *cells, _condition(placed).lstrip(", "))
    return table


def _parameter(found: MissionDatabase, of: Parameter) -> Table:
    """All that is known of one parameter."""
    t = of.type
    table = Table(title=of.qualified_name, show_header=False)
    rows = [
        ("description", of.description), ("type", f"{t.name}: {type_words(t)}"), ("unit", t.unit),
        ("calibrator", _some(t.calibrator)), ("labels", ", ".join(f"{r} {w}" for r, w in t.labels)),
        ("alarm", _some(t.alarm)), ("time", _some(t.time)), ("valid", _some(t.valid)),
    ]  # fmt: skip
    rows += [
        (f"calibrator if {criteria_words(c)}", words(calibrator))
        for c, calibrator in t.context_calibrators
    ]
    rows += [("computed as", words(d.formula)) for d in found.derived if d.output == of.name]
    places = Places(found)
    rows += [
        (f"in {c.name}", _at(placed) + _condition(placed))
        for c in found.containers.values()
        for placed in places.of(c)
        if placed.entry.kind == "parameter" and placed.entry.name == of.name
    ]
    for what, told in rows:
        if told:
            table.add_row(what, told)
    return table


def _some(value: object) -> str:
    return "" if value in (None, ()) else words(value)


def _at(placed: Placed) -> str:
    at = "?" if placed.at is None else str(placed.at)
    return f"{at}+{'?' if placed.bits is None else placed.bits}"


def _condition(placed: Placed) -> str:
    include, repeat = placed.entry.include, placed.entry.repeat
    told = f", if {criteria_words(include)}" if include is not None else ""
    return told + (f", {words(repeat[0])} times" if repeat is not None else "")
