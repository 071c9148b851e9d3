"""`make flights`: docs/flights.md's figures and plots, from the real flights at TELEMETRY_DATA."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.real_flights import FLIGHTS, PROJECT
from pipeline import notebook
from pipeline.chain import Chain
from pipeline.flights.run import load_recording, run_flight
from pipeline.mission.folder import load_mission
from schemas import topics

mpl.use("Agg")
from matplotlib import pyplot as plt

SHOWN = {
    "jpss1": ("ADCFAQ1", "ADGPSVELX"),
    "bangabandhu": ("velocity", "altitude"),
    "iridium": ("velocity", "altitude"),
    "telemega": ("acceleration", "drogue_voltage"),
    "telemetrum": ("acceleration", "height"),
}
COLOURS = {"watch": "tab:blue", "warning": "tab:orange", "critical": "tab:red"}


def run(name: str, data: Path, folder: Path) -> dict[str, Any]:
    """Samples of the parameters shown, alerts and counts of one flight."""
    found = FLIGHTS[name](data, folder)
    mission = load_mission(found.mission, found.mdb)
    chain = Chain(mission)
    flight = load_recording(found.packets, mission, chain).flight
    counts: dict[str, int] = {}
    alerts, samples = [], 0
    for fed in run_flight(flight, chain):
        samples += fed.samples
        for _, o in fed.outputs:
            counts[o.topic] = counts.get(o.topic, 0) + 1
            if o.topic == topics.ALERTS:
                alerts.append(o.event)
    tables = notebook.run(found.packets, mission).samples
    return {
        "packets": len(flight.start), "samples": samples, "tables": tables,
        "alerts": alerts, "counts": counts, "begin": int(flight.reception_ns[0]),
    }  # fmt: skip


def series(result: dict[str, Any], short: str) -> tuple[Any, Any]:
    table = next(t for t in result["tables"].values() if short in t.column_names)
    seconds = (table["time_ns"].to_numpy() - result["begin"]) / 1e9
    return seconds, table[short].to_numpy()


def plot(name: str, result: dict[str, Any], out: Path) -> None:
    figure, axes = plt.subplots(2, 1, sharex=True, figsize=(8, 4), layout="constrained")
    for axis, short in zip(axes, SHOWN[name], strict=True):
        seconds, values = series(result, short)
        axis.plot(seconds, values, ".", markersize=1, color="0.3")
        axis.set_ylabel(short)
        for alert in result["alerts"]:
            own = alert["parameter"].endswith(f"/{short}") or alert["monitor"]["kind"] == "stale"
            if alert["transition"] != "cleared" and own:
                at = (alert["generation_ns"] - result["begin"]) / 1e9
                axis.axvline(at, color=COLOURS[alert["level_after"]], linewidth=1)
    axes[-1].set_xlabel(
        "seconds from the first packet; lines are alerts (blue watch, orange warning, red critical)"
    )
    figure.savefig(out / f"{name}.png", dpi=80)
    plt.close(figure)


def main() -> None:
    data = Path(os.environ.get("TELEMETRY_DATA", "../shared/data"))
    out = PROJECT / "docs" / "flights"
    out.mkdir(exist_ok=True)
    print("| flight | packets | samples | alerts | statistics | batches of samples |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        told = []
        for name in FLIGHTS:
            result = run(name, data, Path(folder))
            plot(name, result, out)
            c = result["counts"]
            print(
                f"| {name} | {result['packets']} | {result['samples']} | "
                f"{c[topics.ALERTS]} | {c[topics.STATISTICS]} | {c[topics.SAMPLES]} |"
            )
            raised = [a for a in result["alerts"] if a["transition"] != "cleared"]
            told += [
                f"{name} T{(a['generation_ns'] - result['begin']) / 1e9:+.1f} s: {a['sentence']}"
                for a in raised[:12]
            ]
    print("\n" + "\n".join(told))


main()
