"""Alerts of a simulated flight scored against its truth (docs/scoring.md).

A prediction is a model's alert at warning or above, on a parameter that the truth lists, after
the fault's onset and before its first critical crossing. An alert on such a parameter after the
crossing, or by a limit, is no prediction and no false alarm: it is counted as `true`. Everything
else at warning or above is a false alarm; watch-level alerts are counted apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pipeline.models.families import BY_NAME
from schemas.mission import Level


@dataclass(slots=True)
class FaultScore:
    """Alerts on one fault. Times are mission time, s; None where it did not happen."""

    kind: str
    slow: bool
    onset_s: float
    critical_s: float | None
    predicted_s: float | None = None
    predicted_by: str = ""
    limit_s: float | None = None  # first static limit alarm at warning or above
    # first alert of any kind: of an abrupt fault at any level, since what is stuck may be right
    first_s: float | None = None

    @property
    def lead_s(self) -> float | None:
        """Seconds from the prediction to the first critical crossing."""
        if self.predicted_s is None or self.critical_s is None:
            return None
        return self.critical_s - self.predicted_s


@dataclass(slots=True)
class Score:
    faults: list[FaultScore]
    false_alarms: list[dict[str, Any]] = field(default_factory=list)
    true_alerts: int = 0
    by_level: Counter[str] = field(default_factory=Counter)  # alerts raised, by level


def score_alerts(truth: dict[str, Any], alerts: Iterable[dict[str, Any]]) -> Score:
    """alerts: as published, in order."""
    faults = truth["faults"]
    scores = [
        FaultScore(f["kind"], f["slow"], f["onset"], f["critical_s"] if f["slow"] else None)
        for f in faults
    ]
    result = Score(scores)
    for alert in alerts:
        rising = Level[alert["level_after"].upper()] > Level[alert["level_before"].upper()]
        if not rising:
            continue
        result.by_level[alert["level_after"]] += 1
        name = alert["parameter"].rsplit("/", 1)[1]
        t = (alert["generation_ns"] - truth["t0_ns"]) / 1e9
        if Level[alert["level_after"].upper()] < Level.WARNING:
            _notice(faults, scores, name, t)
            continue
        hit = False
        for fault, score in zip(faults, scores, strict=True):
            if name in fault["parameters"] and t >= fault["onset"]:
                hit = True
                _credit(score, alert, t)
        if hit:
            result.true_alerts += 1
        else:
            result.false_alarms.append(alert)
    return result


def _notice(faults: list[dict[str, Any]], scores: list[FaultScore], name: str, t: float) -> None:
    """A watch-level alert while an abrupt fault lasts: it predicts nothing, and tells of it."""
    for fault, score in zip(faults, scores, strict=True):
        inside = name in fault["parameters"] and fault["onset"] <= t <= fault["until"]
        if not fault["slow"] and inside and score.first_s is None:
            score.first_s = t


def _credit(score: FaultScore, alert: dict[str, Any], t: float) -> None:
    kind = alert["monitor"]["kind"]
    if score.first_s is None:
        score.first_s = t
    if kind == "limit" and score.limit_s is None:
        score.limit_s = t
    before = score.critical_s is not None and t < score.critical_s
    if kind in BY_NAME and before and score.predicted_s is None:
        score.predicted_s = t
        score.predicted_by = f"{kind} of {alert['parameter'].rsplit('/', 1)[1]}"
