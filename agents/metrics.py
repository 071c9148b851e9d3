"""Prometheus metrics (docs/metrics.md). Names and labels are an API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from agents.chains import Chains
from pipeline.chain import Chain, Fed
from pipeline.groups import gauge_limits
from pipeline.outputs.alerts import monitor_key
from schemas import topics
from schemas.columns import Output, Reason
from schemas.mission import Level

LATENCY_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
GAUGED = ("mean", "min", "max", "std", "rate")


class Metrics:
    """All of one worker's metrics on one registry. cap: most parameters gauged a source."""

    def __init__(self, registry: CollectorRegistry, cap: int) -> None:
        self.registry, self._cap = registry, cap

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"heartline_{name}", words, labels, registry=registry)

        def gauge(name: str, words: str, *labels: str) -> Gauge:
            return Gauge(f"heartline_{name}", words, labels, registry=registry)

        self._packets = counter("packets", "Packets decoded or refused.", "source")
        self._samples = counter("samples", "Samples decoded.", "source")
        self._outputs = counter("outputs", "Records published.", "source", "topic")
        self._rejects = counter("rejects", "Byte ranges refused.", "source", "reason")
        self._gaps = counter("sequence_gaps", "Gaps in sequence counts.", "source")
        self._missing = counter("missing_packets", "Packets missing in gaps.", "source")
        self._idle = counter("idle_packets", "Idle packets dropped.", "source")
        self._alerts = counter("alerts", "Alerts published.", "source", "level", "kind")
        self._lag = gauge(
            "event_time_lag_seconds", "Newest reception time less the watermark.", "source"
        )
        self._event = gauge("event_time_seconds", "Watermark, unix time.", "source")
        self.consumer_lag = gauge("consumer_lag_records", "Records not yet read.", "partition")
        self.lanes = gauge("lanes", "Lanes of this worker.")
        self.exactly_once = gauge("exactly_once", "1: outputs and offsets in one transaction.")
        self.held_back = gauge(
            "held_back_seconds", "Since readers of committed records got on.", "topic", "partition"
        )
        self.recoveries = counter("recoveries", "Times a lane began anew.", "partition")
        self.restore = gauge(
            "restore_seconds", "From being given the partition until reading it.", "partition"
        )
        self.recovery = gauge(
            "recovery_seconds", "… until what stood in it then was processed.", "partition"
        )
        self.latency = Histogram(
            "heartline_latency_seconds",
            "From the raw record's append to its outputs' acknowledgement.",
            buckets=LATENCY_BUCKETS, registry=registry,
        )  # fmt: skip
        self.compute = Histogram(
            "heartline_compute_seconds", "Time of one feed in the compute thread.",
            buckets=LATENCY_BUCKETS, registry=registry,
        )  # fmt: skip
        self._figures = gauge(
            "parameter", "Rolling statistics of chosen parameters.",
            "source", "parameter", "window", "figure",
        )  # fmt: skip
        self._limits = gauge(
            "parameter_limit", "Alarm ranges of chosen parameters.",
            "source", "parameter", "level", "side",
        )  # fmt: skip
        self._active: dict[tuple[str, ...], int] = {}
        self._seen: dict[str, dict[str, int]] = {}
        self._chosen: dict[str, frozenset[str]] = {}
        self.chains: dict[int, Chains] = {}
        registry.register(_AtScrape(self))

    def observe(self, source: str, chain: Chain, fed: Fed) -> None:
        """Count what one feed of one source gave."""
        self._choose(source, chain)
        self._samples.labels(source).inc(fed.samples)
        for reason, n in fed.rejected.items():
            self._rejects.labels(source, Reason(reason).word).inc(n)
        self._count_packets(source, chain)
        received = int(chain.packets.state["last_tick"][0])
        if chain.watermark_ns > 0:
            self._event.labels(source).set(chain.watermark_ns / 1e9)
            if received > 0:
                self._lag.labels(source).set(max(0.0, (received - chain.watermark_ns) / 1e9))
        for _, output in fed.outputs:
            self._outputs.labels(source, output.topic).inc()
            if output.topic == topics.ALERTS:
                self._alert(source, output)
            elif output.topic == topics.STATISTICS and output.event is not None:
                self._statistics(source, output.event)

    def unknown_source(self, source: str, records: int) -> None:
        self._rejects.labels(source, Reason.UNKNOWN_SOURCE.word).inc(records)

    def _count_packets(self, source: str, chain: Chain) -> None:
        now, before = chain.packets.counters, self._seen.get(source, {})
        for metric, name in (
            (self._packets, "packets"), (self._gaps, "gaps"), (self._missing, "missing"),
            (self._idle, "idle"),
        ):  # fmt: skip
            metric.labels(source).inc(max(0, now[name] - before.get(name, 0)))
        self._seen[source] = now

    def _alert(self, source: str, output: Output) -> None:
        alert: dict[str, Any] = output.event or {}
        kind, after = alert["monitor"]["kind"], alert["level_after"]
        self._alerts.labels(source, after, kind).inc()
        key = monitor_key(alert)
        if output.level:
            self._active[key] = output.level
        else:
            self._active.pop(key, None)

    def _choose(self, source: str, chain: Chain) -> None:
        if source in self._chosen:
            return
        names, limits = gauge_limits(chain.mission, self._cap)
        self._chosen[source] = names
        for name, level, side, value in limits:
            self._limits.labels(source, name, level, side).set(value)

    def _statistics(self, source: str, record: dict[str, Any]) -> None:
        chosen = self._chosen[source]
        for j, name in enumerate(record["parameters"]):
            if name in chosen:
                short, window = name.rsplit("/", 1)[1], f"{record['window_s']:g}s"
                for figure in GAUGED:
                    value = float(record[figure][j])
                    self._figures.labels(source, short, window, figure).set(value)

    def active_alarms(self) -> Iterator[tuple[str, str, int]]:
        """(source, level, alarms that stand at it)."""
        counts: dict[tuple[str, int], int] = {}
        for (source, *_), level in list(self._active.items()):
            counts[source, level] = counts.get((source, level), 0) + 1
        for source in {s for s, _ in counts} | set(self._chosen):
            for level in Level:
                if level:
                    yield source, level.word, counts.get((source, level), 0)

    def forecasts(self) -> Iterator[tuple[str, str, float]]:
        """(source, parameter, seconds to the limit ahead) of the chosen parameters."""
        for chains in list(self.chains.values()):
            for source, chain in list(chains.chains.items()):
                chosen = self._chosen.get(source, frozenset())
                for name, seconds in chain.forecasts():
                    if name in chosen:
                        yield source, name.rsplit("/", 1)[1], seconds


class _AtScrape(Collector):
    """What is read off the lanes' state when Prometheus asks."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[GaugeMetricFamily]:
        active = GaugeMetricFamily(
            "heartline_active_alarms", "Alarms that stand.", labels=("source", "level")
        )
        for source, level, n in self._metrics.active_alarms():
            active.add_metric((source, level), n)
        yield active
        ahead = GaugeMetricFamily(
            "heartline_time_to_limit_seconds",
            "Time to the limit ahead, where the slope is significant.",
            labels=("source", "parameter"),
        )
        for source, name, seconds in self._metrics.forecasts():
            ahead.add_metric((source, name), seconds)
        yield ahead
