"""The desk's figures for Prometheus, as they were when it last looked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.desk.board import STATUSES, Board
from agents.desk.views import worst_first
from agents.host.plain import plain
from schemas.mission import ALARM_LEVELS


@dataclass(slots=True)
class Figures:
    """One look. standing: of the worst alarms, at most as many as there is room for; unlisted: how
    many more stand."""

    alarms: Mapping[tuple[str, str], int] = field(default_factory=dict)  # source, status
    incidents: Mapping[tuple[str, str], int] = field(default_factory=dict)  # source, level
    unanswered_ns: Mapping[str, int] = field(default_factory=dict)  # source: since when
    standing: tuple[tuple[tuple[str, ...], float], ...] = ()
    unlisted: Mapping[str, int] = field(default_factory=dict)
    opened: int = 0
    refused: int = 0
    behind: int = -1
    looked: float = 0.0
    alertmanagers: Mapping[str, tuple[bool, float]] = field(default_factory=dict)


def look(board: Board, sources: frozenset[str], now_ns: int, most: int) -> Figures:
    """sources: that are configured; they have figures before their first alarm."""
    every = sources | {alarm.source for alarm in board.alarms.values()}
    kinds = [s for s in STATUSES if s != "normal"]
    count: Counter[tuple[str, str]] = Counter()
    first: dict[str, int] = {}
    shown = []
    for alarm in board.alarms.values():
        status = alarm.status(now_ns)
        count[alarm.source, status] += 1
        if status == "unacknowledged":
            begun = alarm.state.begun
            since = begun.reception_ns if begun else now_ns
            first[alarm.source] = min(first.get(alarm.source, now_ns), since)
        if alarm.stands:
            shown.append((alarm, status))
    shown.sort(key=lambda pair: worst_first(pair[0]))
    levels = Counter((i.source, i.level.word) for i in board.open_incidents())
    rows = tuple(
        ((a.source, a.name, str(a.state.shown.get("container", "")), a.kind, a.level.word, status,
          board.within.get(a.key, "")),
         a.since_ns / 1e9)
        for a, status in shown[:most]
    )  # fmt: skip
    left_out = Counter(a.source for a, _ in shown[most:])
    return Figures(
        {(s, k): count[s, k] for s in every for k in kinds},
        {(s, level.word): levels[s, level.word] for s in every for level in ALARM_LEVELS},
        first, rows, {s: left_out[s] for s in every}, board.opened, board.refused,
    )  # fmt: skip


class DeskMetrics(Collector):
    """figures: replaced as a whole, since Prometheus is answered from another thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.figures = Figures()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        f = self.figures
        yield _gauge("alarms", "Alarms by what became of them.", ("source", "status"), f.alarms)
        yield _gauge("incidents", "Open incidents.", ("source", "level"), f.incidents)
        since = {(source,): ns / 1e9 for source, ns in f.unanswered_ns.items()}
        words = "Since when the oldest alarm waits that nobody has acknowledged, unix time."
        yield _gauge("unacknowledged_since_seconds", words, ("source",), since)
        labels = ("source", "parameter", "container", "kind", "level", "status", "incident")
        words = "Alarms that stand, the worst of them, by when each began, unix time."
        yield _gauge("alarm_since_seconds", words, labels, dict(f.standing))
        words = "Alarms that stand and are not among them."
        yield _gauge(
            "unlisted_alarms", words, ("source",), {(s,): n for s, n in f.unlisted.items()}
        )
        opened = CounterMetricFamily("heartline_desk_incidents_opened", "Incidents ever opened.")
        opened.add_metric([], f.opened)
        yield opened
        refused = CounterMetricFamily("heartline_desk_refused_records", "That were none of ours.")
        refused.add_metric([], f.refused)
        yield refused
        yield _gauge("behind_records", "Not read yet; -1: not known.", (), {(): f.behind})
        yield _gauge("last_look_seconds", "When it last looked, unix time.", (), {(): f.looked})
        up = {(url,): float(up) for url, (up, _) in f.alertmanagers.items()}
        yield _gauge("alertmanager_up", "1: it took the last request.", ("url",), up)
        taken = {(url,): at for url, (_, at) in f.alertmanagers.items()}
        words = "When it last had everything, unix time; 0: never."
        yield _gauge("alertmanager_last_seconds", words, ("url",), taken)


def _gauge(
    name: str, words: str, labels: tuple[str, ...], values: Mapping[Any, float]
) -> GaugeMetricFamily:
    """values: by the labels' values."""
    family = GaugeMetricFamily(f"heartline_desk_{name}", words, labels=labels)
    for key, value in values.items():
        family.add_metric([plain(part) for part in key], value)
    return family
