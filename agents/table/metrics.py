"""Figures of the table's writer for Prometheus."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics

from schemas import topics


class TableMetrics:
    """rows: written, by topic. missed: records that the broker deleted first. behind: not written
    yet; -1: not known. looked: when broker and database last answered, or it began, unix time."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = of = CollectorRegistry()
        self.rows = Counter("heartline_table_rows", "Rows written.", ["topic"], registry=of)
        for topic in (topics.ALERTS, topics.DESK):
            self.rows.labels(topic)  # from 0 on
        self.refused = Counter(
            "heartline_table_refused_records", "That were none of ours.", registry=of
        )
        self.missed = Counter(
            "heartline_table_missed_records", "Deleted by the broker before.", registry=of
        )
        self.behind, self.looked = -1, time.time()
        words = "Not written yet; -1: not known."
        behind = Gauge("heartline_table_behind_records", words, registry=of)
        behind.set_function(lambda: self.behind)
        words = "When broker and database last answered, unix time."
        looked = Gauge("heartline_table_last_look_seconds", words, registry=of)
        looked.set_function(lambda: self.looked)
