"""The long run: `make chaos SEEDS=100`. Prints each seed, then the table of docs/reliability.md."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import click

from tests.integration.chaos.scenario import Outcome, Scenario, choose, deck
from tests.integration.chaos.stage import flights, proxied
from tests.integration.chaos.world import Place

LEAST = 3  # times that every fault must have happened


@click.command()
@click.option("--seeds", default=100, show_default=True)
@click.option("--first", default=0, show_default=True, help="Seed of the first run.")
@click.option("--brokers", default=3, show_default=True, type=click.Choice(["1", "3"]))
@click.option("--faults", default=3, show_default=True, help="In each run.")
@click.option("--only", multiple=True, help="These faults, in every run.")
def main(seeds: int, first: int, brokers: str, faults: int, only: tuple[str, ...]) -> None:
    """Seeded faults on workers, brokers and network; 0 lost and 0 repeated, or status 1."""
    began, number = time.monotonic(), int(brokers)
    missions, records = flights()
    done: list[Outcome] = []
    with tempfile.TemporaryDirectory() as name, proxied(Path(name), number) as (cluster, ways):
        try:
            for seed in range(first, first + seeds):
                folder = Path(name) / f"seed{seed}"
                folder.mkdir()
                place = Place(cluster.bootstrap, f"c{seed}", ways)
                one = Scenario(cluster, place, missions, records, folder, seed)
                done.append(one.run(only or choose(seed, number, faults)))
                _tell(done[-1], folder)
        finally:  # what was seen until then, if it was cut short
            wrong = _table(done, list(only) or deck(number), time.monotonic() - began, number)
    sys.exit(1 if wrong or len(done) < seeds else 0)


def _tell(one: Outcome, folder: Path) -> None:
    v = one.verdict
    happened = ", ".join(one.fired.elements())
    click.echo(
        f"seed {one.seed}: {v.records_in} in, {v.records_out} out, longest gap "
        f"{v.longest_gap_s:.1f} s, {one.restores} restores; {happened}"
        + (f"; did not happen: {', '.join(one.missed)}" if one.missed else "")
    )
    for violation in v.violations:
        click.echo(f"  VIOLATION {violation}")
    if v.violations:
        for log in sorted(folder.glob("*.log")):
            click.echo(f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}")
    sys.stdout.flush()


def _table(done: list[Outcome], cards: list[str], seconds: float, brokers: int) -> bool:
    """Print it; whether anything is wrong."""
    fired: Counter[str] = sum((o.fired for o in done), Counter())
    broken = [o for o in done if o.verdict.violations]
    rare = [f"{c} ({fired[c]})" for c in cards if fired[c] < LEAST]
    click.echo(f"\n{len(done)} runs on {brokers} brokers in {seconds / 60:.0f} min")
    click.echo("| fault | times |\n|---|---|")
    for card in cards:
        click.echo(f"| {card} | {fired[card]} |")
    lost = sum("lost" in v for o in done for v in o.verdict.violations)
    repeated = sum("repeated" in v for o in done for v in o.verdict.violations)
    click.echo(
        f"\nfaults {sum(fired.values())}, records in {sum(o.verdict.records_in for o in done)}, "
        f"out {sum(o.verdict.records_out for o in done)}, restores {sum(o.restores for o in done)}; "
        f"runs with a violation {len(broken)} (lost in {lost}, repeated in {repeated}); longest "
        f"gap in service {max((o.verdict.longest_gap_s for o in done), default=0):.1f} s"
    )
    if rare and len(done) >= len(cards):
        click.echo(f"happened fewer than {LEAST} times: {', '.join(rare)}")
    return bool(broken or (rare and len(done) >= len(cards)))


main()
