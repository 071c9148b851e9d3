"""Prometheus metrics (docs/metrics.md). Names and labels are an API.

Counters count only new records, not silent re-reading. Whatever a lane's state contains is read
from it when Prometheus scrapes: so it is right after a restart, and disappears with its lane.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

from agents.host.plain import plain
from agents.lane.at_scrape import AtScrape, Figure
from agents.lane.chains import Chains
from pipeline.chain import Chain, Fed
from pipeline.chain.control import MONITORS
from pipeline.chain.groups import gauged
from pipeline.outputs.closings import Closing
from schemas import topics
from schemas.columns import ROW, Reason
from schemas.mission import ALARM_LEVELS, Level

log = logging.getLogger("heartline.metrics")
LATENCY_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
GAUGED = ("mean", "min", "max", "std", "rate")
_COUNTED = ("packets", "gaps", "missing", "idle")  # of `Chain.packets.counters`


@dataclass(slots=True)
class _Lane:
    """What is known of one lane. counted: each chain's own counters when last observed.
    appended: when the broker took the newest record of each source, unix s. begun: when it was
    given the partition. behind: records that wait; None: not known."""

    chains: Chains
    counted: dict[str, dict[str, int]] = field(default_factory=dict)
    figures: dict[str, dict[Figure, float]] = field(default_factory=dict)
    appended: dict[str, float] = field(default_factory=dict)
    begun: float = field(default_factory=time.time)
    behind: int | None = None

    def late_s(self) -> float:
        """How old the newest record is that it has processed; 0 while none waits."""
        newest = max(self.appended.values(), default=self.begun)
        return max(0.0, time.time() - newest) if self.behind else 0.0


class Metrics:
    """All of one worker's metrics on one registry. cap: most parameters with gauges per source."""

    def __init__(self, registry: CollectorRegistry, cap: int) -> None:
        self.registry, self._cap = registry, cap
        # when each counter began: a second series for every one of them, which nobody reads
        disable_created_metrics()  # type: ignore[no-untyped-call]

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"heartline_{name}", words, labels, registry=registry)

        def gauge(name: str, words: str, *labels: str) -> Gauge:
            return Gauge(f"heartline_{name}", words, labels, registry=registry)

        self._counters = {
            "packets": counter("packets", "Packets decoded or refused.", "source"),
            "gaps": counter("sequence_gaps", "Gaps in sequence counts.", "source"),
            "missing": counter("missing_packets", "Packets missing in gaps.", "source"),
            "idle": counter("idle_packets", "Idle packets dropped.", "source"),
        }
        self._samples = counter("samples", "Samples decoded.", "source")
        self._outputs = counter("outputs", "Records published.", "source", "topic")
        self._rejects = counter("rejects", "Byte ranges refused.", "source", "reason")
        self._alerts = counter("alerts", "Alerts published.", "source", "level", "kind")
        self._lag = gauge("consumer_lag_records", "Records not yet processed.", "partition")
        self.committed = gauge("committed_offset", "Of telemetry.raw.", "partition")
        self.processed = gauge(
            "processed_offset", "Below the committed one while it reads again.", "partition"
        )
        self.lanes = gauge("lanes", "Lanes of this worker.")
        self.exactly_once = gauge("exactly_once", "1: outputs and offsets in one transaction.")
        self.held_back = gauge(
            "held_back_seconds", "Since readers of committed records got on.", "topic", "partition"
        )
        self.recoveries = counter("recoveries", "Times a lane began anew.", "partition")
        self.dead_letters = counter("dead_letters", "Records that could not be read as a whole.")
        self._snapshot = gauge(
            "last_snapshot_seconds", "When a state was last stored, or the lane began, unix time.",
            "partition",
        )  # fmt: skip
        self._unsaved = gauge("unsaved_records", "That a recovery would read again.", "partition")
        self.restore = gauge(
            "restore_seconds", "From being given the partition until reading it.", "partition"
        )
        self.recovery = gauge(
            "recovery_seconds", "… until what stood in it then was processed.", "partition"
        )
        self.latency = Histogram(
            "heartline_latency_seconds",
            "From the raw record's append to its outputs' acknowledgement.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.compute = Histogram(
            "heartline_compute_seconds",
            "Time of one feed in the compute thread.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.health: Callable[[], tuple[bool, str]] | None = (
            None  # of the lanes, once there are any
        )
        self._lanes: dict[int, _Lane] = {}
        self._chosen: dict[str, frozenset[str]] = {}
        self._born: set[str] = set()
        registry.register(AtScrape(self))

    # --- a lane comes and goes -------------------------------------------------------------------

    def begin(self, partition: int, chains: Chains) -> None:
        """A lane starts from a restored state, whose records were counted before, or from none."""
        lane = self._lanes[partition] = _Lane(chains)
        self.recoveries.labels(partition)  # from 0 on
        for source, chain in chains.chains.items():
            lane.counted[source] = chain.packets.counters

    def forget(self, partition: int) -> None:
        """A lane is no longer ours: its metrics are removed."""
        self._lanes.pop(partition, None)
        of_lane = (
            self._lag,
            self.committed,
            self.processed,
            self.restore,
            self.recovery,
            self._snapshot,
            self._unsaved,
        )
        for metric in of_lane:
            with contextlib.suppress(KeyError):  # it never had one
                metric.remove(partition)

    # --- what a feed gave ------------------------------------------------------------------------

    def observe(self, partition: int, source: str, chain: Chain, fed: Fed, silent: bool) -> None:
        """Count what one feed of one source gave. silent: it was counted when it was first read."""
        lane = self._lanes[partition]
        now, before = chain.packets.counters, lane.counted.get(source, {})
        lane.counted[source] = now
        if source not in self._born:
            self._bear(source)
        for closing in fed.closings:
            self._statistics(lane, source, chain, closing)
        if silent:
            return
        for name in _COUNTED:
            self._counters[name].labels(plain(source)).inc(max(0, now[name] - before.get(name, 0)))
        self._samples.labels(plain(source)).inc(fed.samples)
        for reason, n in fed.rejected.items():
            self._rejects.labels(plain(source), Reason(reason).word).inc(n)
        for topic, n in Tally(output.topic for _, output in fed.outputs).items():
            self._outputs.labels(plain(source), topic).inc(n)
        alerts = (output for _, output in fed.outputs if output.topic == topics.ALERTS)
        for (after, kind), n in Tally((a.level, a.kind) for a in alerts).items():
            self._alerts.labels(plain(source), Level(after).word, kind).inc(n)

    def _bear(self, source: str) -> None:
        """Set counters to 0 before the first alert or refusal: `increase` would miss it."""
        self._born.add(source)
        for reason in Reason:
            self._rejects.labels(plain(source), reason.word)
        for kind in MONITORS:
            for level in (Level.NORMAL, *ALARM_LEVELS):
                self._alerts.labels(plain(source), level.word, kind)

    def appended(self, partition: int, newest_ms: dict[str, int]) -> None:
        """newest_ms: the stamp of the newest record of each source, ms since 1970."""
        told = {source: ms / 1e3 for source, ms in newest_ms.items()}
        self._lanes[partition].appended.update(told)

    def stored(self, partition: int, unsaved: int) -> None:
        """A state was stored, or the lane began. unsaved: records since that state."""
        # a lane that leaves stores its state when it is gone from here
        if partition in self._lanes:
            self._snapshot.labels(partition).set(time.time())
            self._unsaved.labels(partition).set(unsaved)

    def lag(self, partition: int, records: int) -> None:
        """So many wait."""
        self._lag.labels(partition).set(records)
        if partition in self._lanes:
            self._lanes[partition].behind = records

    def late(self) -> dict[int, float]:
        """Of each lane whose lag is known, in seconds."""
        lanes = list(self._lanes.items())
        return {p: lane.late_s() for p, lane in lanes if lane.behind is not None}

    def unsaved(self, partition: int, records: int) -> None:
        self._unsaved.labels(partition).set(records)

    def unknown_source(self, source: str, records: int) -> None:
        self._rejects.labels(plain(source), Reason.UNKNOWN_SOURCE.word).inc(records)

    def chosen(self, source: str, chain: Chain) -> frozenset[str]:
        """Qualified names of the parameters that are gauged; logs what the cap leaves out."""
        if source not in self._chosen:
            every = gauged(chain.mission, chain.plans.plans)
            if len(every) > self._cap:
                log.warning(
                    "source %s: `gauges` names %d parameters, %d of them are shown "
                    "(parameter_gauges, docs/service.md)", source, len(every), self._cap,
                )  # fmt: skip
            self._chosen[source] = frozenset(every[: self._cap])
        return self._chosen[source]

    def _statistics(self, lane: _Lane, source: str, chain: Chain, closing: Closing) -> None:
        chosen, figures = self.chosen(source, chain), lane.figures.setdefault(source, {})
        form = chain.statistics_form
        window = f"{form.windows[closing.window].window_s:g}s"
        for j, name in enumerate(form.groups[closing.group].parameters):
            if name not in chosen:
                continue
            for figure in GAUGED:
                key = (chain.names[name], window, figure)
                value = closing.figures[ROW[figure], j]
                if not math.isfinite(value):
                    figures.pop(key, None)  # without a value there is no series
                else:
                    figures[key] = float(value)

    # --- what stands, read off the lanes' state --------------------------------------------------

    def chains(self) -> Iterator[tuple[int, str, Chain]]:
        for partition, lane in list(self._lanes.items()):
            for source, chain in list(lane.chains.chains.items()):
                yield partition, source, chain

    def newest(self) -> dict[str, float]:
        """When the newest record of each source was appended, unix s; ticks are records too."""
        found: dict[str, float] = {}
        for lane in list(self._lanes.values()):
            for source in lane.chains.chains:
                if (at := lane.appended.get(source)) is not None:
                    found[source] = max(at, found.get(source, at))
        return found

    def figures(self) -> Iterator[tuple[str, Figure, float]]:
        for lane in list(self._lanes.values()):
            for source, figures in list(lane.figures.items()):
                for key, value in list(figures.items()):
                    yield source, key, value
