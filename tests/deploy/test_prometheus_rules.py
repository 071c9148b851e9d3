"""Every rule of Prometheus fires on its fault, alone; none fires while all is well (promtool)."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import orjson
import pytest
from prometheus_client import CollectorRegistry, ProcessCollector

from agents.desk.metrics import DeskMetrics
from agents.ground.ingest_metrics import IngestMetrics
from agents.lane.metrics import Metrics
from agents.table.metrics import TableMetrics
from tests.conftest import PROJECT
from tests.deploy.tools import run_tool

RULES = PROJECT / "deploy" / "prometheus" / "rules.yml"
PAGE = PROJECT / "docs" / "pipeline-alerts.md"
W, I = 'job="heartline",instance="w"', 'job="heartline-ingest",instance="i"'  # noqa: E741
D, T = 'job="heartline-desk",instance="d"', 'job="heartline-table",instance="t"'
LE = "heartline_latency_seconds_bucket{" + W + ',le="%s"}'

# one sample a minute, in promtool's notation: begin+step×times
WELL = {
    f"up{{{W}}}": "1+0x60",
    f"up{{{I}}}": "1+0x60",
    f"heartline_healthy{{{W}}}": "1+0x60",
    f"heartline_lanes{{{W}}}": "2+0x60",
    f'heartline_consumer_lag_records{{{W},partition="0"}}': "0 3 0 5 0+0x56",
    f'heartline_committed_offset{{{W},partition="0"}}': "0+600x60",
    f'heartline_processed_offset{{{W},partition="0"}}': "0+600x60",
    f'heartline_lag_seconds{{{W},partition="0"}}': "0 1 0 2 0+0x56",
    f"process_start_time_seconds{{{W}}}": "7+0x60",
    f'heartline_last_record_seconds{{{W},source="s"}}': "0+60x60",
    f'heartline_packet_age_seconds{{{W},source="s"}}': "0 1 0 200 250 0+0x55",
    f'heartline_last_snapshot_seconds{{{W},partition="0"}}': "0+60x60",
    f'heartline_unsaved_records{{{W},partition="0"}}': "50+0x60",
    LE % "0.1": "0+600x60",
    LE % "5": "0+600x60",
    LE % "+Inf": "0+600x60",
    f'heartline_held_back_seconds{{{W},topic="telemetry.alerts",partition="0"}}': "0+0x60",
    f'heartline_recoveries_total{{{W},partition="0"}}': "1+0x60",
    f'heartline_packets_total{{{W},source="s"}}': "0+6000x60",
    f'heartline_rejects_total{{{W},source="s",reason="unknown_apid"}}': "0+6x60",
    f"heartline_dead_letters_total{{{W}}}": "4+0x60",
    f'heartline_alerts_total{{{W},source="s",level="warning",kind="clock"}}': "1+0x60",
    f'heartline_alerts_total{{{W},source="s",level="critical",kind="limit"}}': "0+3x60",
    f'heartline_ingest_broker_connected{{{I},source="s"}}': "1+0x60",
    f'heartline_ingest_spool_bytes{{{I},source="s"}}': "100000 0 100000 0+0x57",
    f'heartline_ingest_spool_limit_bytes{{{I},source="s"}}': "1000000000+0x60",
    f'heartline_ingest_lost_packets_total{{{I},source="s",why="no_room"}}': "7+0x60",
    f'heartline_ingest_kernel_drops_total{{{I},source="s"}}': "2+0x60",
    f"up{{{D}}}": "1+0x60",
    f"heartline_desk_last_look_seconds{{{D}}}": "0+60x60",
    f"heartline_desk_behind_records{{{D}}}": "0 9 0+0x58",
    f'heartline_desk_alertmanager_up{{{D},url="u"}}': "1+0x60",
    f"heartline_desk_refused_records_total{{{D}}}": "1+0x60",
    f"heartline_table_last_look_seconds{{{T}}}": "0+60x60",
}


class Fault(NamedTuple):
    """What is otherwise than when all is well; when it must have been told, in minutes."""

    series: dict[str, str]
    minute: int


LAG = f'heartline_consumer_lag_records{{{W},partition="0"}}'
LATE = f'heartline_lag_seconds{{{W},partition="0"}}'
COMMITTED = f'heartline_committed_offset{{{W},partition="0"}}'
RECORD = f'heartline_last_record_seconds{{{W},source="s"}}'
HEARD = f'heartline_packet_age_seconds{{{W},source="s"}}'
SPOOL = f'heartline_ingest_spool_bytes{{{I},source="s"}}'
FAULTS = {  # each begins at minute 10, but for the slow ones
    "HeartlineTargetAbsent": Fault({f"up{{{W}}}": "1+0x9 0+0x50"}, 12),
    "HeartlineTargetAbsent, of an ingest": Fault({f"up{{{I}}}": "1+0x9 0+0x50"}, 12),
    "HeartlineTargetAbsent, gone altogether": Fault({f"up{{{W}}}": "1+0x9 stale"}, 12),
    "HeartlineUnhealthy": Fault({f"heartline_healthy{{{W}}}": "1+0x9 0+0x50"}, 12),
    "HeartlineRestarts": Fault(
        {f"process_start_time_seconds{{{W}}}": "7+0x9 8+1x50"}, 14
    ),
    "HeartlineNoLane": Fault({f"heartline_lanes{{{W}}}": "2+0x9 0+0x50"}, 14),
    "HeartlineLaneStalled": Fault({LAG: "0+0x9 10+1x50", COMMITTED: "0+600x9 5400+0x50"}, 14),
    "HeartlineBehind": Fault({LAG: "0+0x9 900+0x50", LATE: "0+0x9 0+30x50"}, 14),
    "HeartlineLagGrows": Fault({LAG: "0+0x9 2000+600x50"}, 20),
    "HeartlineSlow": Fault({LE % "0.1": "0+600x9 5400+0x50"}, 20),
    "HeartlineSnapshotOld": Fault(
        {f'heartline_last_snapshot_seconds{{{W},partition="0"}}': "0+60x9 540+0x50"}, 27
    ),
    "HeartlineHeldBack": Fault(
        {f'heartline_held_back_seconds{{{W},topic="telemetry.alerts",partition="0"}}':
         "0+0x9 60+60x50"}, 12,
    ),
    "HeartlineRecovers": Fault(
        {f'heartline_recoveries_total{{{W},partition="0"}}': "1+0x9 2 3 4 5+0x50"}, 14
    ),
    "HeartlineSourceSilent": Fault({RECORD: "0+60x9 540+0x50"}, 20),
    "HeartlineSourceLost": Fault({HEARD: "0+0x9 60+60x50"}, 20),
    "HeartlineRefusals": Fault(
        {f'heartline_rejects_total{{{W},source="s",reason="unknown_apid"}}': "0+6x9 54+600x50"}, 16
    ),
    "HeartlineUnknownSource": Fault(
        {f'heartline_rejects_total{{{W},source="x",reason="unknown_source"}}': "0+0x9 0+2x50"}, 12
    ),
    "HeartlineUnknownSource, once": Fault(
        {f'heartline_rejects_total{{{W},source="x",reason="unknown_source"}}': "_x10 1+0x50"}, 12
    ),
    "HeartlineDeadLetters": Fault({f"heartline_dead_letters_total{{{W}}}": "4+0x9 6+0x50"}, 12),
    "HeartlineClockChanged": Fault(
        {f'heartline_alerts_total{{{W},source="s",level="warning",kind="clock"}}':
         "0+0x9 1+0x50"}, 12,
    ),
    "HeartlineLinkDown": Fault(
        {f'heartline_ingest_broker_connected{{{I},source="s"}}': "1+0x9 0+0x50"}, 12
    ),
    "HeartlineSpoolFills": Fault({SPOOL: "0+0x9 600000000+0x50"}, 12),
    "HeartlineSpoolFills, within an hour": Fault({SPOOL: "0+0x9 120000000+40000000x50"}, 18),
    "HeartlineInputLost": Fault(
        {f'heartline_ingest_lost_packets_total{{{I},source="s",why="no_room"}}': "7+0x9 9+0x50"}, 12
    ),
    "HeartlineInputLost, by the kernel": Fault(
        {f'heartline_ingest_kernel_drops_total{{{I},source="s"}}': "2+0x9 9+0x50"}, 12
    ),
    "HeartlineDeskStands": Fault(
        {f"heartline_desk_last_look_seconds{{{D}}}": "0+60x9 540+0x50"}, 13
    ),
    "HeartlineDeskStands, behind": Fault(
        {f"heartline_desk_behind_records{{{D}}}": "0+0x9 7+0x50"}, 13
    ),
    "HeartlineNobodyIsTold": Fault(
        {f'heartline_desk_alertmanager_up{{{D},url="u"}}': "1+0x9 0+0x50"}, 13
    ),
    "HeartlineDeskRefuses": Fault(
        {f"heartline_desk_refused_records_total{{{D}}}": "1+0x9 3+0x50"}, 12
    ),
    "HeartlineTableStands": Fault(
        {f"heartline_table_last_look_seconds{{{T}}}": "0+60x9 540+0x50"}, 13
    ),
}  # fmt: skip


def alerts() -> list[str]:
    return re.findall(r"- alert: (\w+)", RULES.read_text())


def case(name: str, fault: dict[str, str], told: dict[int, list[str]]) -> dict[str, Any]:
    """told: the names of all alerts that fire at a minute."""
    firing = 'count by (alertname) (ALERTS{alertstate="firing"})'
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": s, "values": v} for s, v in (WELL | fault).items()],
        "promql_expr_test": [
            {
                "expr": firing,
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": f'{{alertname="{n}"}}', "value": 1} for n in names],
            }
            for minute, names in told.items()
        ],
    }


promtool = partial(run_tool, "promtool", "prometheus")


def run(tmp_path: Path, *cases: dict[str, Any]) -> None:
    every = {"rule_files": [str(RULES)], "evaluation_interval": "30s", "tests": cases}
    path = tmp_path / "cases.yml"
    path.write_bytes(orjson.dumps(every))  # JSON is YAML
    promtool("test", "rules", str(path))


def test_the_rules_are_valid() -> None:
    assert f"{len(alerts()) + 3} rules found" in promtool("check", "rules", str(RULES))


def test_nothing_fires_while_all_is_well(tmp_path: Path) -> None:
    run(tmp_path, case("well", {}, {minute: [] for minute in (2, 10, 30, 59)}))


@pytest.mark.parametrize("name", FAULTS)
def test_each_fires_on_its_fault_alone(name: str, tmp_path: Path) -> None:
    fault, alert = FAULTS[name], name.split(",", maxsplit=1)[0]
    run(tmp_path, case(name, fault.series, {9: [], fault.minute: [alert]}))


MOVED = 'job="heartline",instance="b"'
NO_FAULT = {
    "a source that another worker goes on with": {
        RECORD: "0 60 120 stale", f'heartline_last_record_seconds{{{MOVED},source="s"}}': "_x3 180+60x50",
    },
    "a state that is read again, for twenty minutes": {
        LAG: "60000-2000x20 0+0x40", COMMITTED: "50000+0x20 50600+600x40",
        f'heartline_processed_offset{{{W},partition="0"}}': "0+2500x20 50600+600x40",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", NO_FAULT)
def test_what_is_no_fault_is_not_told(name: str, tmp_path: Path) -> None:
    run(tmp_path, case(name, NO_FAULT[name], {minute: [] for minute in range(2, 19)}))


def test_each_alert_has_a_fault_and_says_what_to_do() -> None:
    assert {name.split(",", maxsplit=1)[0] for name in FAULTS} == set(alerts())
    page = PAGE.read_text()
    assert [a for a in alerts() if f"## {a}\n" not in page] == []
    told = re.findall(r"^## (\w+)$", page, re.MULTILINE)
    assert sorted(told) == sorted(alerts()), "the page tells of alerts that are not there"


def test_every_metric_of_the_rules_is_one_that_is_exposed() -> None:
    registry = CollectorRegistry()
    Metrics(registry, 0)
    ingest = IngestMetrics("s")
    limits = SimpleNamespace(size=1)
    lost = SimpleNamespace(packets=0, records=0)
    running: Any = SimpleNamespace(  # a fake: what stands in it is not looked at
        counters=SimpleNamespace(
            bytes=0, packets=0, records=0, skipped=0, dropped=0, refused=0, heard=0.0
        ),
        spool=SimpleNamespace(waiting=0, size=0, limits=limits, full=lost, old=lost),
        sender=SimpleNamespace(connected=True, moved=0.0, since=0.0),
    )
    ingest.begin(running)
    every = (registry, ingest.registry, DeskMetrics().registry, TableMetrics().registry)
    exposed = {f.name for r in every for f in r.collect()}
    named = set(re.findall(r"(?<![:\w])heartline_\w+", RULES.read_text()))
    plain = {re.sub(r"_(total|count|bucket)$", "", name) for name in named}
    assert plain - exposed == set()
    assert "process_start_time_seconds" in {
        f.name for f in ProcessCollector(registry=registry).collect()
    }
