"""Figures of the table's writer for Prometheus."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from schemas import topics


class TableMetrics(Collector):
    """written: rows by topic. missed: records that the broker deleted first. behind: not written
    yet; -1: not known. looked: when broker and database last answered, or it began, unix time."""

    def __init__(self) -> None:
        self.written = Counter({topics.ALERTS: 0, topics.DESK: 0})
        self.refused, self.missed, self.behind, self.looked = 0, 0, -1, time.time()
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        rows = CounterMetricFamily("heartline_table_rows", "Rows written.", labels=["topic"])
        for topic, n in list(self.written.items()):
            rows.add_metric([topic], n)
        yield rows
        refused = CounterMetricFamily("heartline_table_refused_records", "That were none of ours.")
        refused.add_metric([], self.refused)
        yield refused
        missed = CounterMetricFamily("heartline_table_missed_records", "Deleted before.")
        missed.add_metric([], self.missed)
        yield missed
        for name, words, value in (
            ("behind_records", "Not written yet; -1: not known.", self.behind),
            (
                "last_look_seconds",
                "When broker and database last answered, unix time.",
                self.looked,
            ),
        ):
            yield GaugeMetricFamily(f"heartline_table_{name}", words, value=value)
