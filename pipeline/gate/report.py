"""What a backtest found, as JSON and for people (docs/gate.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.gate.validate import Backtest, Event, Judge, heard_enough, timing, verdict
from pipeline.mission.folder import Mission

JUDGE = ("judge", "found", "false alarms", "a parameter-day (80 % interval)", "after onset",
         "before the limit", "timing")  # fmt: skip
EVENT = ("flight", "fault", "found on", "after onset", "before the limit")


def told(result: Backtest, mission: Mission) -> dict[str, Any]:
    """The report, as JSON."""
    gate = mission.settings.gate
    reasons, enough = verdict(result, mission), heard_enough(result, mission)
    rate = result.judges[0].rate
    needed = rate.days_to_show(gate.false_alarms_per_parameter_day)
    exposure = {
        "enough": enough, "upper_80": rate.interval[1],
        "needed_parameter_days": needed if math.isfinite(needed) else None,
    }  # fmt: skip
    return {
        "model": result.artefact.name, "sha256": result.artefact.sha256,
        "mission_database": mission.mdb.sha256, "passed": not reasons and enough,
        "reasons": reasons, "exposure": exposure,
        "gate": {
            "false_alarms_per_parameter_day": gate.false_alarms_per_parameter_day,
            "found": gate.found,
        },
        "flights": [{"flight": f, "sha256": s} for f, s in result.flights],
        "hours": result.hours, "parameter_days": result.judges[0].parameter_days,
        "judges": [_judge_told(j, result) for j in result.judges],
        "events": [_event_told(e, result.judges[0].found[i]) for i, e in enumerate(result.events)],
    }  # fmt: skip


def _judge_told(judge: Judge, result: Backtest) -> dict[str, Any]:
    low, high = judge.rate.interval
    found = [(e, f) for e, f in zip(result.events, judge.found, strict=True) if f]
    kinds: dict[str, list[int]] = {}
    for e, f in zip(result.events, judge.found, strict=True):
        both = kinds.setdefault(e.kind, [0, 0])
        both[0] += f is not None
        both[1] += 1
    per: dict[str, int] = {}
    for name, *_ in judge.false:
        per[name] = per.get(name, 0) + 1
    return {
        "name": judge.name, "found": judge.hits, "events": len(result.events),
        "precision": judge.precision,
        "false_alarms": len(judge.false),
        "false_alarms_an_hour": len(judge.false) / result.hours if result.hours else 0.0,
        "false_alarms_per_parameter_day": judge.rate.a_day, "interval_80": [low, high],
        "timing_quality": _mean([timing(e, f[1]) for e, f in found]),
        "delay_s": _mean([(f[1] - e.onset_ns) / 1e9 for e, f in found]),
        "lead_s": _mean([(e.limit_ns - f[1]) / 1e9 for e, f in found if e.limit_ns is not None]),
        "by_kind": {k: {"found": v[0], "events": v[1]} for k, v in sorted(kinds.items())},
        "false_by_parameter": dict(sorted(per.items())),
    }  # fmt: skip


def _event_told(event: Event, found: tuple[str, int] | None) -> dict[str, Any]:
    after = None if found is None else (found[1] - event.onset_ns) / 1e9
    lead = None
    if found is not None and event.limit_ns is not None:
        lead = (event.limit_ns - found[1]) / 1e9
    return {
        "flight": event.flight, "kind": event.kind, "parameters": list(event.parameters),
        "onset_ns": event.onset_ns, "found_on": found[0] if found else None,
        "after_onset_s": after, "before_limit_s": lead,
        "timing_quality": timing(event, found[1]) if found else None,
    }  # fmt: skip


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def markdown(report: dict[str, Any]) -> str:
    """The report for people."""
    too_little = not report["exposure"]["enough"]
    waits = "passes the gate but for its exposure" if too_little else "passes the gate"
    passed = "is refused" if report["reasons"] else waits
    over = (
        f"SHA-256 `{report['sha256']}`, over {len(report['flights'])} flights, "
        f"{report['hours']:.2f} h, {report['parameter_days']:.3g} parameter-days."
    )
    reasons = [f"- {reason}" for reason in report["reasons"]]
    if too_little:
        reasons.append(f"- {exposure_words(report)}")
    lines = [
        f"# Model {report['model']}: {passed}", "", *reasons, *([""] if reasons else []), over, "",
        _row(JUDGE), _row(["---"] * len(JUDGE)),
    ]  # fmt: skip
    for j in report["judges"]:
        low, high = j["interval_80"]
        judged = (
            j["name"], f"{j['found']} of {j['events']}", str(j["false_alarms"]),
            f"{j['false_alarms_per_parameter_day']:.3g} ({low:.3g} to {high:.3g})",
            _seconds(j["delay_s"]), _seconds(j["lead_s"]), _plain(j["timing_quality"]),
        )  # fmt: skip
        lines.append(_row(judged))
    lines += ["", _row(EVENT), _row(["---"] * len(EVENT))]
    for e in report["events"]:
        event = (
            e["flight"], e["kind"], e["found_on"] or "missed", _seconds(e["after_onset_s"]),
            _seconds(e["before_limit_s"]),
        )  # fmt: skip
        lines.append(_row(event))
    return "\n".join(lines) + "\n"


def exposure_words(report: Mapping[str, Any]) -> str:
    """What was not shown, and how much more would show it."""
    e, budget = report["exposure"], report["gate"]["false_alarms_per_parameter_day"]
    needed = e["needed_parameter_days"]
    more = "no exposure shows that" if needed is None else f"{needed:.3g} would show it"
    return (
        f"{report['judges'][0]['false_alarms']} false alarms in {report['parameter_days']:.3g} "
        f"parameter-days: it may raise up to {e['upper_80']:.3g} a parameter-day (80 % interval), "
        f"and {budget:g} are allowed; {more}"
    )


def _seconds(x: float | None) -> str:
    return "" if x is None else f"{x:.0f} s"


def _plain(x: float | None) -> str:
    return "" if x is None else f"{x:.2f}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
