"""`heartline models`: train, validate, promote and retire (docs/gate.md)."""

from __future__ import annotations

import asyncio
import getpass
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import click
import orjson
from rich.progress import Progress
from rich.table import Table

from agents.cli.answer import tell
from agents.cli.control import key_option
from agents.cli.options import FILE, drawing, namespace_option, png_option, who_option, why_option
from agents.host.terminal import Terminal
from agents.lane.authority import read_signer
from agents.readers.run_files import read_alerts
from agents.readers.tail import follow
from agents.states.models_topic import staged
from pipeline.chain import Chain
from pipeline.gate.folder import ModelFolder
from pipeline.gate.in_force import check_fit
from pipeline.gate.knowledge import knowledge
from pipeline.gate.report import markdown, told
from pipeline.gate.side_by_side import side_by_side
from pipeline.gate.train import train as fit
from pipeline.gate.validate import validate as backtest
from pipeline.gate.words import calibration_words
from pipeline.mission.folder import Mission, load_mission, read_rule
from pipeline.models.families import BY_NAME
from pipeline.outputs.alerts import iso
from schemas import topics
from schemas.control import ModelStage, encode_control

console = Terminal(stderr=True)
mission_option = click.option(
    "--mission", "folder", type=FILE, required=True, help="Mission folder."
)
broker_option = click.option(
    "--bootstrap", default="", help="Kafka brokers; without it the mission folder alone."
)
source_option = click.option("--source", default="", help="The mission's source by default.")


@click.group()
def models() -> None:
    """Trained models: candidate, shadow, active, retired."""


@models.command()
@click.argument("name")
@click.argument("flights", nargs=-1, required=True, type=FILE)
@mission_option
@click.option("--family", type=click.Choice([*BY_NAME]), required=True)
@click.option("--match", "patterns", multiple=True, required=True, help="Parameters, by pattern.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Of the family.")
def train(
    name: str, flights: tuple[Path, ...], folder: Path, family: str, patterns: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:  # fmt: skip
    """Fit NAME on recorded FLIGHTs, each one file: nominal ones, or for remaining life those that
    ended in failure. It is a candidate then, and silent.

    Its threshold is the least that keeps to the mission's budget of false alarms on them, or the
    one that --set gives.
    """
    mission = load_mission(folder)
    chosen = dict(_setting(family, text) for text in settings)
    read_rule(family, chosen)
    with Progress(console=console) as bar:
        task = bar.add_task(f"train {name}", total=None)
        artefact, found = fit(
            name, family, mission, flights, patterns, chosen,
            lambda done, of: bar.update(task, completed=done, total=of),
        )  # fmt: skip
    path = ModelFolder(folder).add(artefact)
    rate, (low, high) = found.chosen.rate, found.chosen.rate.interval
    budget = mission.settings.gate.false_alarms_per_parameter_day
    theta = BY_NAME[family].theta
    for line in calibration_words(
        found, theta, budget, [f"{p.parent.name}/{p.name}" for p in flights]
    ):
        console.print(line)
    for part in artefact.parts:
        for line in BY_NAME[family].knows(part):
            console.print(line, highlight=False)
    n = sum(len(p.parameters) for p in artefact.parts)
    console.print(
        f"{path}: {family} of {n} parameters, SHA-256 {artefact.sha256}\n"
        f"{rate.false_alarms} false alarms in {rate.parameter_days:.3g} parameter-days, each "
        f"flight left out once: {rate.a_day:.3g} a day (80 %: {low:.3g} to {high:.3g}). The "
        f"budget is {budget:g}; {rate.days_to_show(budget):.3g} parameter-days show that it is "
        "kept.\n"
        f"Next: heartline models validate {name} FLIGHT… --mission {folder}",
    )


def _setting(family: str, text: str) -> tuple[str, Any]:
    key, _, value = text.partition("=")
    kinds = {f.name: str(f.type) for f in fields(BY_NAME[family].Rule)}
    read: dict[str, Callable[[str], Any]] = {
        "int": int,
        "str": str,
        "tuple[str, ...]": lambda v: tuple(v.split(",")),
        "tuple[float, ...]": lambda v: tuple(map(float, v.split(","))),
    }
    try:
        return key, read.get(kinds.get(key, ""), float)(value)
    except ValueError:
        raise click.UsageError(f"--set {text!r}: say KEY=VALUE.") from None


@models.command()
@click.argument("name")
@click.argument("flights", nargs=-1, required=True, type=FILE)
@mission_option
@png_option
@click.option("--gate-key", type=FILE, help="Signs the report, where workers ask for that.")
def validate(
    name: str, flights: tuple[Path, ...], folder: Path, png: Path | None, gate_key: Path | None
) -> None:
    """Hold NAME against FLIGHTs whose faults are known (truth.json beside each).

    Writes a report beside the model; status 1 where the gate stays shut.
    """
    gate = read_signer(gate_key) if gate_key else None
    mission, kept = load_mission(folder), ModelFolder(folder)
    result = backtest(kept.artefact(name), mission, flights)
    report = told(result, mission)
    if gate and not report["reasons"]:
        enough = report["exposure"]["enough"]
        report["gate_report"] = asdict(gate.report(report["sha256"], mission.mdb.sha256, enough))
    text = markdown(report)
    path = kept.add_report(name, report, text)
    click.echo(text)
    console.print(f"{path}")
    if png:
        drawing("pipeline.gate.plots").draw_backtest(result, png)
        console.print(f"{png}")
    sys.exit(0 if report["passed"] else 1)


@models.command()
@click.argument("name")
@click.option("--to", "stage", type=click.Choice(["shadow", "active"]), required=True)
@why_option
@who_option
@mission_option
@source_option
@namespace_option
@broker_option
@key_option
@click.option("--despite-exposure", "admitted", is_flag=True,
              help="Answer for it by name, where too little was heard of it.")  # fmt: skip
def promote(
    name: str, stage: str, why: str, who: str, folder: Path, source: str, namespace: str,
    bootstrap: str, key: Path | None, admitted: bool,
) -> None:  # fmt: skip
    """Put NAME into the shadow, or let it speak where it has earned it."""
    if admitted and not who:
        raise click.UsageError("--despite-exposure: say who answers for it: --who NAME.")
    _move(name, stage, why, who, folder, source, namespace, bootstrap, key, admitted)


@models.command()
@click.argument("name")
@why_option
@who_option
@mission_option
@source_option
@namespace_option
@broker_option
@key_option
def retire(
    name: str, why: str, who: str, folder: Path, source: str, namespace: str, bootstrap: str,
    key: Path | None,
) -> None:  # fmt: skip
    """Take NAME away."""
    _move(name, "retired", why, who, folder, source, namespace, bootstrap, key)


def _move(
    name: str, stage: str, why: str, who: str, folder: Path, source: str, namespace: str,
    bootstrap: str, signed: Path | None, admitted: bool = False,
) -> None:  # fmt: skip
    mission, kept = load_mission(folder), ModelFolder(folder)
    if stage != "retired":
        check_fit(Chain(mission), ModelStage(name, stage, kept.artefact(name)))
    move = kept.move(name, stage, who or getpass.getuser(), why, time.time_ns(), admitted)
    console.print(f"{name} is {stage} in {kept.path}")
    if bootstrap:
        value = encode_control(kept.control(move))
        key = source or mission.settings.source
        signer = read_signer(signed) if signed else None
        tell(f"{name} {stage}", value, key, namespace, bootstrap, signer)


@models.command("list")
@mission_option
@source_option
@namespace_option
@broker_option
def list_(folder: Path, source: str, namespace: str, bootstrap: str) -> None:
    """Every model of the mission: its stage here, and at work where a broker is named."""
    mission, kept = load_mission(folder), ModelFolder(folder)
    live = {}
    if bootstrap:
        live = asyncio.run(staged(bootstrap, namespace, source or mission.settings.source))
    table = Table("model", "family", "parameters", "stage", "since", "by", "why", "at work")
    stages = kept.stages()
    for name in sorted({*kept.names(), *live}):
        family, count = "", ""
        if name in kept.names():
            artefact = kept.artefact(name)
            family, count = artefact.family, str(sum(len(p.parameters) for p in artefact.parts))
        move = stages.get(name)
        moved = ("candidate", "", "", "")
        if move:
            moved = (move.stage, iso(move.when_ns), move.who, move.why)
        words = [live[name], *live[name]["demoted"]] if name in live else []
        at_work = "\n".join(w["sentence"] for w in words) if bootstrap else "not asked"
        table.add_row(name, family, count, *moved, at_work)
    Terminal().print(table)


@models.command()
@click.argument("name")
@mission_option
@png_option
def show(name: str, folder: Path, png: Path | None) -> None:
    """What NAME knows: its settings, thresholds and records, and what it was made of."""
    artefact = ModelFolder(folder).artefact(name)
    for line in knowledge(artefact):
        click.echo(line)
    if png:
        drawing("pipeline.gate.drawing").draw(artefact, png)
        console.print(f"{png}")


@models.command()
@click.argument("first")
@click.argument("second")
@click.argument("flights", nargs=-1, type=FILE)
@mission_option
@click.option("--from", "run", type=FILE, help="Folder of `run`: by the alerts in it.")
@source_option
@namespace_option
@broker_option
def compare(
    first: str, second: str, flights: tuple[Path, ...], folder: Path, run: Path | None, source: str,
    namespace: str, bootstrap: str,
) -> None:  # fmt: skip
    """Two models side by side: held against the same FLIGHTs, or by the alerts that they raised,
    live or replayed, on a broker or in the folder of a `run`."""
    mission = load_mission(folder)
    if sum(map(bool, (flights, run, bootstrap))) != 1:
        raise click.UsageError("say one of FLIGHT…, --from FOLDER and --bootstrap HOST:PORT.")
    if flights:
        _backtests(first, second, flights, mission, ModelFolder(folder))
        return
    own = source or mission.settings.source
    alerts = read_alerts(run) if run else asyncio.run(_alerts_on(bootstrap, namespace))
    mine = (a for a in alerts if a.get("source") == own)
    table = Table(
        "parameter", "both", f"{first} alone", f"{second} alone", f"{second} is earlier by"
    )
    rows = side_by_side(mine, first, second, mission.settings.gate.confirm_s)
    for r in rows:
        earlier = "" if r.earlier_s is None else f"{r.earlier_s:.1f} s"
        table.add_row(r.parameter, str(r.both), str(r.first), str(r.second), earlier)
    Terminal().print(table)
    if not rows:
        console.print("Neither has raised an alarm there.")


async def _alerts_on(bootstrap: str, namespace: str) -> list[dict[str, Any]]:
    follows = follow(bootstrap, namespace, topics.ALERTS_OF_ALL, True, True)
    return [orjson.loads(record.value or b"{}") async for _, record in follows]


def _backtests(
    first: str, second: str, flights: tuple[Path, ...], mission: Mission, kept: ModelFolder
) -> None:
    table = Table("", first, second)
    reports = [told(backtest(kept.artefact(n), mission, flights), mission) for n in (first, second)]
    judged = [r["judges"][0] for r in reports]
    table.add_row("found", *(f"{j['found']} of {j['events']}" for j in judged))
    for key in ("false_alarms", "false_alarms_per_parameter_day", "delay_s", "lead_s",
                "timing_quality"):  # fmt: skip
        table.add_row(
            key.replace("_", " "), *("" if j[key] is None else f"{j[key]:.3g}" for j in judged)
        )
    table.add_row("gate", *("opens" if r["passed"] else "; ".join(r["reasons"]) for r in reports))
    for pair in zip(*(r["events"] for r in reports), strict=True):
        cells = ("missed" if e["found_on"] is None else f"{e['after_onset_s']:.0f} s" for e in pair)
        table.add_row(f"{pair[0]['flight']} {pair[0]['kind']}", *cells)
    Terminal().print(table)
