"""*Pipeline*: whether Heartline itself does its work."""

from __future__ import annotations

from typing import Any

from deploy.dashboards.parts import BAD, CHOSEN, GOOD, ODD, SOURCE, Panel, board, variable

RATE = "[$__rate_interval]"
FILLED = f"heartline_ingest_spool_bytes{CHOSEN} / heartline_ingest_spool_limit_bytes{CHOSEN}"
YES = {"0": "no", "1": "yes"}


def _per_s(name: str, by: str = "source") -> str:
    return f'sum by ({by}) (rate(heartline_{name}_total{{source=~"$source"}}{RATE}))'


def _latency(q: float, name: str = "latency") -> str:
    return f"histogram_quantile({q}, sum by (le) (rate(heartline_{name}_seconds_bucket{RATE})))"


STATE = (
    Panel("Healthy", "none", [("min(heartline_healthy)", "healthy")], "/healthz of every worker.",
          "number", 4, 4, [(0, BAD), (1, GOOD)], YES),
    Panel("Lanes", "none", [("sum(heartline_lanes)", "lanes")], "Partitions that are read.",
          "number", 4, 4, [(0, BAD), (1, GOOD)]),
    Panel("Exactly once", "none", [("min(heartline_exactly_once)", "exactly once")],
          "Outputs and offsets in one transaction.", "number", 4, 4, [(0, ODD), (1, GOOD)], YES),
    Panel("Records waiting", "none", [("sum(heartline_consumer_lag_records)", "waiting")],
          "In the log and not yet processed.", "number", 4, 4),
    Panel("Recovery would re-read", "none", [("max(heartline_unsaved_records)", "records")],
          "Records since the last stored state.", "number", 4, 4),
    Panel("State stored", "s", [("time() - max(heartline_last_snapshot_seconds)", "ago")],
          "Time since the last snapshot.", "number", 4, 4, [(0, GOOD), (120, ODD), (900, BAD)]),
)  # fmt: skip
FLOW = (
    Panel("Packets a second", "none", [(_per_s("packets"), "{{source}}")], "Decoded or refused."),
    Panel("Samples a second", "none", [(_per_s("samples"), "{{source}}")], "Decoded values."),
    Panel("Records published a second", "none", [(_per_s("outputs", "topic"), "{{topic}}")],
          "By topic."),
    Panel("Latency, append to acknowledged outputs", "s",
          [(_latency(0.5), "p50"), (_latency(0.99), "p99")], "Of every record.", least=0),
    Panel("One feed", "s", [(_latency(0.5, "compute"), "p50"), (_latency(0.99, "compute"), "p99")],
          "Time in the compute thread.", least=0),
    Panel("Lag", "s", [
        ('heartline_event_time_lag_seconds{source=~"$source"}', "{{source}}: event time"),
        ('time() - heartline_last_record_seconds{source=~"$source"}', "{{source}}: last record"),
        ("heartline_lag_seconds", "partition {{partition}}: judged late"),
    ], "Newest tick less the watermark; now less the newest record; how old is what was judged "
       "last, while others wait.", least=0),
)  # fmt: skip
LOSSES = (
    Panel("Refused in the last minute, by reason", "none",
          [('topk(5, sum by (reason) (increase(heartline_rejects_total{source=~"$source"}[1m])))',
            "{{reason}}")],
          "Byte ranges, the five most frequent reasons; telemetry.rejects holds them.", least=0),
    Panel("Packets missing", "none",
          [('sum by (source) (heartline_missing_packets_total{source=~"$source"})', "{{source}}")],
          "By sequence counts, since the worker began.", least=0),
    Panel("Dead letters, recoveries", "none", [
        ("sum(heartline_dead_letters_total)", "dead letters"),
        ("sum(heartline_recoveries_total)", "recoveries of lanes"),
    ], "Since the worker began.", least=0),
)  # fmt: skip
LINK = (
    Panel("Spool filled", "percentunit",
          [(FILLED, "{{source}}")],
          "What waits on the ingest's disk.", least=0, most=1),
    Panel("Received a second", "binBps",
          [(f'rate(heartline_ingest_bytes_total{{source=~"$source"}}{RATE})', "{{source}}")],
          "By each ingest."),
    Panel("Lost before Kafka", "none", [
        ('sum by (source, why) (heartline_ingest_lost_packets_total{source=~"$source"})',
         "{{source}} {{why}}"),
        ('heartline_ingest_kernel_drops_total{source=~"$source"}', "{{source}} kernel"),
    ], "Since the ingest began.", least=0),
)  # fmt: skip
MODELS = (
    Panel("Trained models", "none",
          [('sum by (stage) (heartline_models{source=~"$source"})', "{{stage}}")],
          "At work: active ones alert, those in the shadow do not.", "number", 8, 6),
    Panel("False alarms of trained models", "none", [
        ('sum by (source, model) (heartline_model_false_alarms{source=~"$source"})',
         "{{source}} {{model}}"),
        ('sum by (source, model) (heartline_model_expected_false_alarms{source=~"$source"})',
         "{{source}} {{model}}: its budget"),
    ], "Since each was made active. Three or more, and far beyond its budget: it is demoted.",
          wide=16, high=6, least=0),
)  # fmt: skip
DESK = (
    Panel("Desk behind", "none", [("max(heartline_desk_behind_records)", "records")],
          "Records that the alarm desk has not read.", "number", 6, 4, [(0, GOOD), (1, BAD)]),
    Panel("Desk looked", "s", [("time() - min(heartline_desk_last_look_seconds)", "ago")],
          "Since it last looked what changed.", "number", 6, 4, [(0, GOOD), (5, ODD), (30, BAD)]),
    Panel("Alertmanager", "none", [("min(heartline_desk_alertmanager_up)", "takes it")],
          "Whether it took the last that the desk told it.", "number", 6, 4,
          [(0, BAD), (1, GOOD)], YES),
    Panel("Alertmanager knows", "s", [("time() - min(heartline_desk_alertmanager_last_seconds)",
          "ago")], "Since it was told everything that is open.", "number", 6, 4,
          [(0, GOOD), (60, ODD), (300, BAD)]),
)  # fmt: skip


def made() -> Any:
    return board(
        "heartline-pipeline", "Heartline: pipeline",
        "Whether Heartline does its work. What to do: docs/pipeline-alerts.md.",
        [variable(*SOURCE)],
        [("State", STATE), ("Flow", FLOW), ("Losses", LOSSES), ("Links", LINK),
         ("Trained models", MODELS), ("Alarm desk", DESK)],
    )  # fmt: skip
