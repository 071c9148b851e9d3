"""Every query of the dashboards returns data, from a real Prometheus; no rule fires in vain."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.mission.folder import Mission
from tests.integration.watched import BOARDS, ask, filled, queries, watched

# what moves while a flight is flown and an ingest receives, if anything is measured at all
MOVES = ("Flight time", "Time to limit", "Packets a second", "Samples a second", "Received a second",
         "Room to the nearer red limit", "Rates of change, per second", "Alerts in the last minute",
         "Latency, append to acknowledged outputs",
         "Records published a second")  # fmt: skip


def test_no_query_makes_up_data() -> None:
    for title, query in queries():
        assert "vector(" not in query, title
        assert " or " not in query, title


@pytest.mark.broker
def test_every_panel_has_data_and_no_rule_fires(
    broker: str, demo_mission: Mission, tmp_path: Path
) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("Prometheus is not installed (Debian's package `prometheus`)")
    with watched(broker, tmp_path, demo_mission) as all_:
        port, asked = all_.port, all_.series
        still = []
        for title, query in queries():
            every = asked(query)
            values = [{v for _, v in series["values"] if v != "NaN"} for series in every]
            least = 2 if title.split(": ", maxsplit=1)[1] in MOVES else 1
            if not any(len(v) >= least for v in values):
                still.append(f"{title}: {query} → {len(every)} series, {values[:3]}")
        assert not still, "\n".join(still)
        _a_fresh_mission_lacks_what_it_does_not_have(asked)
        of_room = dict(queries())["flight: Room to the nearer red limit"]
        for series in asked(of_room):
            _room_is_right(asked, series)
        rules = [rule for group in ask(port, "rules")["groups"] for rule in group["rules"]]
        assert len(rules) > 20
        assert [(r["name"], r["lastError"]) for r in rules if r["health"] != "ok"] == []
        assert [a for a in ask(port, "alerts")["alerts"] if a["state"] == "firing"] == []
        assert ask(port, "alertmanagers")["activeAlertmanagers"]
        # the faults of the flight were told, a notification an incident and no storm of them
        firing = [
            (number, levels) for _, status, number, levels in all_.pager.told if status == "firing"
        ]
        assert {number for number, _ in firing} <= {*all_.desk.incidents()} | {
            *all_.desk.incidents("false")
        }
        assert "turbopump" in {
            i["group"] for i in (all_.desk.incidents() | all_.desk.incidents("false")).values()
        }
        assert len(firing) == len({*firing}) > 0, firing


# of a mission with neither limits nor phases nor trained models, whose sensors behave
LACKS = {
    "alarms that stand": ("What is wrong, since when, and who has seen it",),
    "limits": ("Least time to a limit", "Time to limit", "Room to the nearer red limit"),
    "phases": ("Phase",),
    "trained models": ("False alarms of trained models",),
    "a model that has warmed up, within a minute": ("Room of the model",),
}  # fmt: skip


def _a_fresh_mission_lacks_what_it_does_not_have(asked: Any) -> None:
    """Every other panel has data from its first minute on."""
    empty = set()
    for path in BOARDS:
        board = json.loads(path.read_text())
        for panel in board["panels"]:
            every = [
                filled(target["expr"], path.stem, source="second", parameter="T")
                for target in panel.get("targets", ())
            ]
            mine = [query for query in every if "second" in query]
            if mine and not any(asked(query) for query in mine):
                empty.add(panel["title"])
    known = {title for titles in LACKS.values() for title in titles}
    assert empty == known, (empty - known, known - empty)


def _room_is_right(asked: Any, series: Any) -> None:
    """The query's figure at its last time, against the same from the numbers that it is made of."""
    name = f'source="{series["metric"]["source"]}",parameter="{series["metric"]["parameter"]}"'
    when, room = series["values"][-1]

    def value(metric: str) -> float:
        [found] = asked(metric)
        return float(dict(found["values"])[when])

    low, high = (
        value(f'heartline_parameter_limit{{{name},level="critical",side="{side}"}}')
        for side in ("low", "high")
    )
    ends = (
        value(f'heartline_parameter{{{name},window="60s",figure="{figure}"}}')
        for figure in ("min", "max")
    )
    nearest = min(min(x - low, high - x) for x in ends)
    assert float(room) == pytest.approx(100 * nearest / ((high - low) / 2), abs=1e-6), name
