"""`heartline watch`: alerts and rolling statistics as they come, in the terminal."""

from __future__ import annotations

from collections import deque
from typing import Any

import orjson
from rich.console import Group
from rich.table import Table
from rich.text import Text

from pipeline.outputs.alerts import monitor_key
from schemas import topics
from schemas.mission import Level

STYLES = {
    "normal": "green", "watch": "cyan", "warning": "yellow", "distress": "dark_orange",
    "critical": "bold red", "severe": "bold white on red",
}  # fmt: skip
SHOWN = 12


class Board:
    """What the view shows: alarms that stand, the last alerts, the newest figures."""

    def __init__(self) -> None:
        self._standing: dict[tuple[str, ...], dict[str, Any]] = {}
        self._recent: deque[dict[str, Any]] = deque(maxlen=SHOWN)
        self._figures: dict[str, tuple[float, float, float, float]] = {}
        self.alerts = 0
        self.records = 0

    def take(self, topic: str, value: bytes) -> None:
        self.records += 1
        if topic == topics.ALERTS:
            self._take_alert(orjson.loads(value))
        elif topic == topics.STATISTICS:
            record = orjson.loads(value)
            for j, name in enumerate(record["parameters"]):
                figures = tuple(record[f][j] for f in ("mean", "std", "min", "max"))
                if None not in figures:
                    self._figures[name] = figures

    def _take_alert(self, alert: dict[str, Any]) -> None:
        self.alerts += 1
        self._recent.append(alert)
        key = monitor_key(alert)
        if alert["level_after"] == "normal":
            self._standing.pop(key, None)
        else:
            self._standing[key] = alert

    def __rich__(self) -> Group:
        worst = sorted(self._standing.values(), key=lambda a: -int(Level[a["level_after"].upper()]))
        alarms = Table(title=f"{len(worst)} alarms stand", expand=True)
        for column in ("level", "parameter", "monitor", "what"):
            alarms.add_column(column)
        for a in worst[:SHOWN]:
            level = a["level_after"]
            name = a["parameter"].rsplit("/", 1)[1]
            alarms.add_row(Text(level, STYLES[level]), name, a["monitor"]["kind"], a["sentence"])
        figures = Table(title="statistics", expand=True)
        for column in ("parameter", "mean", "std", "min", "max"):
            figures.add_column(column, justify="left" if column == "parameter" else "right")
        concerned = [a["parameter"] for a in worst if a["parameter"] in self._figures]
        for name in list(dict.fromkeys([*concerned, *self._figures]))[:SHOWN]:
            row = (f"{x:.6g}" for x in self._figures[name])
            figures.add_row(name.rsplit("/", 1)[1], *row)
        last = Text("\n").join(
            Text(f"{a['level_after']:>8}  {a['sentence']}  {a['id']}", STYLES[a["level_after"]])
            for a in self._recent
        )
        return Group(alarms, figures, last)
