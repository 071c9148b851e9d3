"""Metrics and health of an ingest: `/metrics` and `/healthz`, read from the spool on request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.ground.ingest import Running

AWAY_S = 10.0  # not healthy once records have waited this long and none was taken
LATELY_S = 60.0  # not healthy for this long after a loss


class IngestMetrics(Collector):
    """clock: unix s."""

    def __init__(self, source: str, clock: Callable[[], float] = time.time) -> None:
        self.registry = CollectorRegistry()
        self._source, self._clock = source, clock
        self._running: Running | None = None
        self._lost, self._lost_at = 0, 0.0
        self.registry.register(self)

    def begin(self, running: Running) -> None:
        self._running = running

    def collect(self) -> Iterator[Metric]:
        one = self._running
        if one is None:
            return
        c, spool, sender = one.counters, one.spool, one.sender
        for name, words, value in (
            ("bytes", "Received.", c.bytes),
            ("packets", "Kept, to be sent.", c.packets),
            ("records", "Kept, to be sent.", c.records),
            ("skipped_bytes", "That were no packets.", c.skipped),
            ("kernel_drops", "Datagrams for which the kernel had no room.", c.dropped),
        ):
            yield self._counter(name, words, value)
        lost = CounterMetricFamily(
            "heartline_ingest_lost_packets", "Received, and never sent.", labels=["source", "why"]
        )
        for why, n in (
            ("no_room", c.refused),
            ("pushed_out", spool.full.packets),
            ("old", spool.old.packets),
        ):
            lost.add_metric([self._source, why], n)
        yield lost
        waits = self._clock() - sender.moved if spool.waiting else 0.0
        for name, words, number in (
            (
                "broker_connected",
                "1: records are taken.",
                float(sender.connected and waits < AWAY_S),
            ),
            ("spool_records", "That wait for the broker.", spool.waiting),
            ("spool_bytes", "On disk.", spool.size),
            ("spool_limit_bytes", "That there is room for.", spool.limits.size),
            ("spool_stalled_seconds", "For which records wait and none is taken.", max(waits, 0.0)),
            ("last_piece_seconds", "When something was received, unix time.", c.heard),
        ):
            family = GaugeMetricFamily(f"heartline_ingest_{name}", words, labels=["source"])
            family.add_metric([self._source], number)
            yield family

    def _counter(self, name: str, words: str, value: int) -> CounterMetricFamily:
        family = CounterMetricFamily(f"heartline_ingest_{name}", words, labels=["source"])
        family.add_metric([self._source], value)
        return family

    def health(self) -> tuple[bool, str]:
        """Whether it is healthy, and the figures that show it."""
        one, now = self._running, self._clock()
        if one is None:
            return False, "it has not begun"
        c, spool, sender = one.counters, one.spool, one.sender
        lost = c.refused + c.dropped + spool.full.records + spool.old.records
        if lost > self._lost:
            self._lost, self._lost_at = lost, now
        lately = self._lost_at and now - self._lost_at < LATELY_S
        stalled = now - sender.moved if spool.waiting else 0.0
        heard = _moment(c.heard) if c.heard else "nothing yet"
        state = "connected" if sender.connected else "away"
        state = f"{state} for {now - sender.since:.0f} s"
        if stalled >= AWAY_S:
            state = f"away: it has taken nothing for {stalled:.0f} s"
        told = [
            f"reads {' '.join(one.inputs)}: {c.packets} packets, the last piece at {heard}",
            f"broker {state}",
            f"{spool.waiting} records wait, {spool.size} of {spool.limits.size} bytes on disk",
            f"lost since it began: {lost}" + (", some of it in the last minute" if lately else ""),
        ]
        return not lately and stalled < AWAY_S, "; ".join(told)


def _moment(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%H:%M:%SZ")
