"""Draws the dashboards as plots, from the same queries, over a flight with faults.

    python -m tests.integration.draw_dashboards        # docs/dashboards/*.png, two minutes

Not Grafana: it cannot be had on every machine. Panels stand where the dashboard has them, with its
titles, units, thresholds and legends; the moment of numbers and tables is the one with most alarms.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from agents.broker.embedded import EmbeddedBroker
from pipeline.mission.folder import load_mission
from tests.conftest import PROJECT
from tests.integration.postgres import BOARD as ALERTS
from tests.integration.postgres import Writer, postgres
from tests.integration.postgres import ask as ask_rows
from tests.integration.postgres import filled as in_sql
from tests.integration.system import wait_until
from tests.integration.watched import BOARDS, DEMO, Watched, filled, watched

mpl.use("Agg")
import matplotlib.dates as mdates
import matplotlib.pyplot as plt

OUT = PROJECT / "docs" / "dashboards"
COLUMN, ROW, DPI = 0.62, 0.34, 72  # inches of Grafana's grid
MOST_SERIES, MOST_ROWS = 14, 12
BACK, PANE, TEXT, DIM = "#111217", "#181b1f", "#d8d9da", "#8e9297"
COLOURS = {"green": "#56a64b", "yellow": "#e0b400", "red": "#e02f44", "orange": "#ff780a",
           "blue": "#3274d9"}  # fmt: skip
LINES = plt.get_cmap("tab20").colors  # type: ignore[attr-defined]
Series = dict[str, Any]


def main() -> int:
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, EmbeddedBroker() as broker:
        mission = load_mission(DEMO)
        folder = Path(name)
        folder.chmod(0o755)
        with postgres(folder) as database, watched(broker.bootstrap, folder, mission) as flight:
            at = busiest(flight)
            with Writer(broker.bootstrap, folder, database.url).running() as writer:
                wait_until(lambda: writer.is_ready() and _all_written(writer), 30, writer.text)
            draw_rows(json.loads(ALERTS.read_text()), database.url, flight, OUT / "alerts.png")
            sys.stdout.write(f"{OUT / 'alerts.png'}\n")
            for path in BOARDS:
                draw(json.loads(path.read_text()), flight, at, OUT / f"{path.stem}.png")
                sys.stdout.write(f"{OUT / path.stem}.png\n")
    return 0


def _all_written(writer: Writer) -> bool:
    return "0 records are not written" in writer.health()


def draw_rows(board: Any, url: str, flight: Watched, path: Path) -> None:
    """The board whose panels are tables of PostgreSQL."""
    panels = board["panels"]
    height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels)
    figure = plt.figure(figsize=(24 * COLUMN, height * ROW), facecolor=BACK)
    for panel in panels:
        g = panel["gridPos"]
        box = (g["x"] / 24, 1 - (g["y"] + g["h"]) / height, g["w"] / 24, g["h"] / height)
        if panel["type"] == "row":
            continue
        [target] = panel["targets"]
        rows = ask_rows(url, in_sql(target["rawSql"], flight.begun))
        x, y, w, h = _pane(figure, box, panel)
        most = int(g["h"] * ROW / 0.25) - 2
        told = [{key: _cell(value) for key, value in row.items()} for row in rows[:most]]
        area = figure.add_axes((x + 0.006, y, w - 0.012, h), facecolor=PANE)
        if drawn := _draw_table(area, panel, told):
            drawn.auto_set_column_width([*range(len(told[0]))])
    figure.savefig(path, dpi=DPI, facecolor=BACK)
    plt.close(figure)


def _cell(value: Any) -> str:
    return f"{value:%H:%M:%S}" if isinstance(value, datetime) else str(value)[:90]


def busiest(flight: Watched) -> float:
    """When most alarms of warning or worse stood."""
    query = 'sum(heartline_desk_incidents{level!="watch"})'
    [found] = flight.series(query)
    return max((float(value), float(when)) for when, value in found["values"])[1]


def draw(board: Any, flight: Watched, at: float, path: Path) -> None:
    panels = board["panels"]
    height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels)
    figure = plt.figure(figsize=(24 * COLUMN, height * ROW), facecolor=BACK)
    # boards of one vehicle show the one that flies
    one = {} if path.stem in ("fleet", "pipeline") else {"source": "demo"}
    for panel in panels:
        g = panel["gridPos"]
        box = (g["x"] / 24, 1 - (g["y"] + g["h"]) / height, g["w"] / 24, g["h"] / height)
        if panel["type"] == "row":
            x, y = box[0] + 0.004, box[1] + box[3] * 0.3
            figure.text(x, y, panel["title"], color=TEXT, fontsize=11, weight="bold")
            continue
        found = [
            (target, flight.series(filled(target["expr"], path.stem, **one)))
            for target in panel.get("targets", ())
        ]
        _KINDS[panel["type"]](figure, box, panel, found, at)
    figure.savefig(path, dpi=DPI, facecolor=BACK)
    plt.close(figure)


def _pane(figure: Any, box: tuple[float, ...], panel: Any) -> Any:
    """The panel's background with its title; the axes that are left for its content."""
    gap_x, gap_y = 0.003, 0.06 * ROW / figure.get_figheight() * 2
    x, y, w, h = box[0] + gap_x, box[1] + gap_y, box[2] - 2 * gap_x, box[3] - 2 * gap_y
    back = figure.add_axes((x, y, w, h), facecolor=PANE, xticks=[], yticks=[])
    for spine in back.spines.values():
        spine.set_color("#2c3235")
    title = 0.3 * ROW / figure.get_figheight() * 2
    figure.text(x + 0.005, y + h - title * 0.75, panel["title"], color=TEXT, fontsize=9)
    return x, y, w, h - title


def _series(figure: Any, box: tuple[float, ...], panel: Any, found: Any, at: float) -> None:
    x, y, w, h = _pane(figure, box, panel)
    low = 0.34 * h if w > 0.3 else 0.42 * h
    axes = figure.add_axes((x + 0.045, y + low, w - 0.055, h - low), facecolor=PANE)
    lines = [(_legend(target, s), s) for target, every in found for s in every]
    for i, (label, series) in enumerate(lines[:MOST_SERIES]):
        when, value = _values(series)
        axes.plot(when, value, lw=1.3, color=LINES[i % len(LINES)], label=label)
    if len(lines) > MOST_SERIES:
        axes.plot([], [], lw=0, label=f"and {len(lines) - MOST_SERIES} more")
    fields = panel["fieldConfig"]["defaults"]
    for step in fields.get("thresholds", {}).get("steps", ())[1:]:
        axes.axhline(step["value"], color=COLOURS[step["color"]], lw=0.9, ls="--")
    axes.set_ylim(fields.get("min"), fields.get("max"))
    axes.axvline(_time(at), color=DIM, lw=0.7, ls=":")
    unit = fields.get("unit", "none")
    axes.yaxis.set_major_formatter(lambda v, _: _figure(v, unit))
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M:%S"))
    axes.xaxis.set_major_locator(mdates.AutoDateLocator(maxticks=6))
    axes.tick_params(colors=DIM, labelsize=7)
    axes.grid(color="#2c3235", lw=0.6)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if lines:
        axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), ncols=max(1, int(w * 9)), fontsize=6.5,
                    frameon=False, labelcolor=TEXT, borderaxespad=0, handlelength=1.2)  # fmt: skip


def _stat(figure: Any, box: tuple[float, ...], panel: Any, found: Any, at: float) -> None:
    x, y, w, h = _pane(figure, box, panel)
    shown = [
        (_legend(target, s), value)
        for target, every in found for s in every if (value := _value_at(s, at)) is not None
    ]  # fmt: skip
    fields = panel["fieldConfig"]["defaults"]
    for i, (label, value) in enumerate(shown):
        left, width = x + w * i / len(shown), w / len(shown)
        colour = _colour(fields, value)
        area = figure.add_axes((left + 0.004, y + 0.1 * h, width - 0.008, 0.8 * h), xticks=[], yticks=[],
                               facecolor=colour or PANE)  # fmt: skip
        for spine in area.spines.values():
            spine.set_visible(False)
        named = panel["options"]["textMode"] == "name"
        large, small = (label, "") if named else (_words(fields, value), label)
        area.text(0.5, 0.56, large, color="white", fontsize=15, ha="center", va="center")
        area.text(0.5, 0.14, small, color=TEXT, fontsize=7, ha="center", va="center")


def _table(figure: Any, box: tuple[float, ...], panel: Any, found: Any, at: float) -> None:
    x, y, w, h = _pane(figure, box, panel)
    rows = [*(_rows_of_one(panel, found, at) if len(found) == 1 else _rows_of_many(found, at))]
    area = figure.add_axes((x + 0.006, y, w - 0.012, h), facecolor=PANE)
    _draw_table(area, panel, rows[:MOST_ROWS])


def _draw_table(area: Any, panel: Any, rows: Sequence[dict[str, Any]]) -> Any:
    """The table, None where it has no rows."""
    area.axis("off")
    if not rows:
        return None
    heads = [*rows[0]]
    cells = [[str(row.get(head, "")) for head in heads] for row in rows]
    drawn = area.table(cells, colLabels=heads, loc="upper left", cellLoc="left", edges="horizontal")
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(8)
    drawn.scale(1, 1.35)
    colours = _cell_colours(panel)
    for (row, column), cell in drawn.get_celld().items():
        cell.set_edgecolor("#2c3235")
        cell.get_text().set_color(DIM if row == 0 else TEXT)
        if row and (colour := colours.get(heads[column], {}).get(cells[row - 1][column])):
            cell.get_text().set_color(colour)
            cell.get_text().set_weight("bold")
    return drawn


def _rows_of_one(panel: Any, found: Any, at: float) -> Iterator[dict[str, str]]:
    """A row a series, as the panel's transformation orders its labels; the newest first."""
    [(_, every)] = found
    options = panel["transformations"][0]["options"]
    shown = [(value, s["metric"]) for s in every if (value := _value_at(s, at)) is not None]
    # the flight has times of its own: in it the newest alarm is as old as it is told here
    newest = max((value / 1000 for value, _ in shown), default=0.0)
    for value, labels in sorted(shown, key=lambda pair: -pair[0]):
        columns = labels | {"Value": f"{newest - value / 1000:.0f} s before the newest"}
        yield {
            options["renameByName"].get(name, name): columns.get(name, "")
            for name in sorted(options["indexByName"], key=options["indexByName"].get)
        }


def _rows_of_many(found: Any, at: float) -> Iterator[dict[str, str]]:
    """A row a source, a column a target."""
    rows: dict[str, dict[str, str]] = {}
    for target, every in found:
        for series in every:
            value = _value_at(series, at)
            source = series["metric"]["source"]
            if value is not None:
                row = rows.setdefault(source, {"source": source})
                row[target["legendFormat"]] = _figure(value, "none")
    heads = ["source", *(target["legendFormat"] for target, _ in found)]
    for row in rows.values():
        yield {head: row.get(head, "") for head in heads}


_KINDS = {"timeseries": _series, "stat": _stat, "table": _table}


def _cell_colours(panel: Any) -> dict[str, dict[str, str]]:
    """Column to what it says to the colour of that."""
    found: dict[str, dict[str, str]] = {}
    for one in panel["fieldConfig"].get("overrides", ()):
        for prop in one["properties"]:
            if prop["id"] == "mappings":
                words = prop["value"][0]["options"].values()
                found[one["matcher"]["options"]] = {
                    word["text"]: COLOURS[word["color"]] for word in words
                }
    return found


def _legend(target: Any, series: Series) -> str:
    return re.sub(
        r"\{\{(\w+)\}\}", lambda m: series["metric"].get(m[1], ""), target["legendFormat"]
    )


def _values(series: Series) -> tuple[list[Any], list[float]]:
    """With a gap where there was no value."""
    when = [float(t) for t, _ in series["values"]]
    value = [float(v) for _, v in series["values"]]
    at = np.flatnonzero(np.diff(when) > 2.5) + 1
    return [_time(t) for t in np.insert(when, at, np.nan)], list(np.insert(value, at, np.nan))


def _value_at(series: Series, at: float) -> float | None:
    found = [float(v) for t, v in series["values"] if abs(float(t) - at) < 1]
    return found[0] if found else None


def _time(unix: float) -> Any:
    """matplotlib's: days since 1970."""
    return unix / 86_400


def _colour(fields: Any, value: float) -> str | None:
    steps = fields.get("thresholds", {}).get("steps", ())
    passed = [s["color"] for s in steps if s["value"] is None or value >= s["value"]]
    return COLOURS[passed[-1]] if passed else None


def _words(fields: Any, value: float) -> str:
    for mapping in fields.get("mappings", ()):
        if (word := mapping["options"].get(f"{value:g}")) is not None:
            return str(word["text"])
    return _figure(value, fields.get("unit", "none"))


def _figure(value: float, unit: str) -> str:
    if unit == "dateTimeAsIso":
        return time.strftime("%H:%M:%SZ", time.gmtime(value / 1000))
    if unit == "s" and 0 < abs(value) < 1:
        return f"{1000 * value:.3g} ms"
    word = {"s": " s", "percent": " %", "binBps": " B/s"}.get(unit, "")
    if unit == "percentunit":
        value, word = 100 * value, " %"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            shown = value / (1e3 if letter == "k" else size)
            return f"{shown:.3g} {letter}{word.strip()}"
    return f"{value:,.0f}{word}" if abs(value) >= 1000 else f"{value:.3g}{word}"


if __name__ == "__main__":
    sys.exit(main())
