"""Gauges that are read off the lanes' state when Prometheus asks (docs/metrics.md)."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from agents.host.plain import plain
from pipeline.chain import Chain
from schemas.mission import ALARM_LEVELS

Figure = tuple[str, str, str]  # parameter as people call it, window, figure

FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "active_alarms": ("Alarms that stand.", ("source", "level")),
    "inhibited_monitors": ("Told to be silent by somebody.", ("source", "kind")),
    "time_to_limit_seconds": (
        "Time to a range ahead, where the slope is significant.", ("source", "parameter", "level"),
    ),
    "parameter_limit": (
        "Static limits in force of chosen parameters.", ("source", "parameter", "level", "side"),
    ),
    "parameter_expected": (
        "What a model expects of the next sample of chosen parameters.",
        ("source", "parameter", "model", "side"),
    ),
    "parameter": (
        "Rolling statistics of chosen parameters.", ("source", "parameter", "window", "figure"),
    ),
    "models": ("Trained models at work.", ("source", "stage")),
    "model_false_alarms": (
        "Of a trained model, since it was made active.", ("source", "model"),
    ),
    "model_expected_false_alarms": (
        "How many its budget allows in that time.", ("source", "model"),
    ),
    "phase": ("1: the phase that was told last.", ("source", "phase")),
    "event_time_seconds": ("Watermark, unix time.", ("source",)),
    "event_time_lag_seconds": ("Newest reception time less the watermark.", ("source",)),
    "packet_age_seconds": ("Newest tick less the reception of the newest packet.", ("source",)),
    "lag_seconds": (
        "How old the newest record processed is while others wait; else 0.", ("partition",),
    ),
    "last_record_seconds": (
        "When the newest record, or tick, was appended, unix time.", ("source",),
    ),
    "healthy": ("1: /healthz says 200.", ()),
}  # fmt: skip


class Seen(Protocol):
    """What is known of the lanes."""

    health: Callable[[], tuple[bool, str]] | None

    def chains(self) -> Iterator[tuple[int, str, Chain]]: ...
    def chosen(self, source: str, chain: Chain) -> Container[str]: ...
    def newest(self) -> Mapping[str, float]: ...
    def late(self) -> Mapping[int, float]: ...
    def figures(self) -> Iterator[tuple[str, Figure, float]]: ...


class AtScrape(Collector):
    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def collect(self) -> Iterator[GaugeMetricFamily]:
        gauges = _Gauges()
        for _, source, chain in self._seen.chains():
            name = plain(source)
            _alarms(gauges, name, chain)
            _parameters(gauges, name, chain, self._seen.chosen(source, chain))
            _models(gauges, name, chain)
            _time(gauges, name, chain)
        for source, at in self._seen.newest().items():
            gauges.set("last_record_seconds", at, plain(source))
        for partition, seconds in self._seen.late().items():
            gauges.set("lag_seconds", seconds, str(partition))
        for source, key, value in self._seen.figures():
            gauges.set("parameter", value, plain(source), *key)
        if self._seen.health:
            gauges.set("healthy", float(self._seen.health()[0]))
        yield from gauges.told()


class _Gauges:
    """Each series once, even if several lanes or containers report it."""

    def __init__(self) -> None:
        self._values: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in FAMILIES}

    def set(self, name: str, value: float, *labels: str) -> None:
        """The first one stays."""
        self._values[name].setdefault(labels, value)

    def add(self, name: str, value: float, *labels: str) -> None:
        family = self._values[name]
        family[labels] = family.get(labels, 0.0) + value

    def told(self) -> Iterator[GaugeMetricFamily]:
        for name, (words, labels) in FAMILIES.items():
            family = GaugeMetricFamily(f"heartline_{name}", words, labels=labels)
            for key, value in self._values[name].items():
                family.add_metric(key, value)
            yield family


def _alarms(gauges: _Gauges, name: str, chain: Chain) -> None:
    counts = Tally(s.level for s in chain.standing())
    for level in ALARM_LEVELS:
        gauges.add("active_alarms", counts[level], name, level.word)
    for kind, n in Tally(kind for kind, _ in chain.inhibited()).items():
        gauges.add("inhibited_monitors", n, name, kind)


def _parameters(gauges: _Gauges, name: str, chain: Chain, chosen: Container[str]) -> None:
    for parameter, level, seconds in chain.forecasts():
        if parameter in chosen:
            gauges.set("time_to_limit_seconds", seconds, name, chain.names[parameter], level.word)
    for parameter, model, found in chain.expects(chosen):
        if parameter in chosen:
            for side, value in zip(found._fields, found, strict=True):
                gauges.set("parameter_expected", value, name, chain.names[parameter], model, side)
    for parameter, level, side, bound in chain.limits(chosen):
        gauges.set("parameter_limit", bound, name, chain.names[parameter], level.word, side)


def _models(gauges: _Gauges, name: str, chain: Chain) -> None:
    costs = chain.models.costs()
    for stage in ("active", "shadow"):
        gauges.add("models", sum(c.active == (stage == "active") for c in costs), name, stage)
    for cost in costs:
        gauges.set("model_false_alarms", cost.false_alarms, name, cost.model)
        gauges.set("model_expected_false_alarms", cost.expected, name, cost.model)


def _time(gauges: _Gauges, name: str, chain: Chain) -> None:
    if (now := chain.phase()) is not None:
        for phase in chain.mission.settings.phases.names:
            gauges.set("phase", float(phase == now), name, phase)
    received = int(chain.packets.state["last_tick"][0])
    if received > 0 and (heard_ns := chain.last_packet_ns) > 0:
        gauges.set("packet_age_seconds", max(0.0, (received - heard_ns) / 1e9), name)
    if chain.watermark_ns > 0:
        gauges.set("event_time_seconds", chain.watermark_ns / 1e9, name)
        if received > 0:
            lag = max(0.0, (received - chain.watermark_ns) / 1e9)
            gauges.set("event_time_lag_seconds", lag, name)
