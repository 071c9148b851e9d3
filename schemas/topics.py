"""The topics, a row each. Ids have logical names; on the wire a namespace stands before them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_BYTES = 8 * 1024 * 1024  # of one record
_KEEP = {"cleanup.policy": "delete", "retention.ms": "-1"}
_LARGE = {"cleanup.policy": "delete", "max.message.bytes": str(MOST_BYTES)}
_COMPACT = {"cleanup.policy": "compact"}


@dataclass(frozen=True, slots=True)
class Topic:
    """writer: who writes its records: `ground`, `chain`, `lane`, `state` or `desk`. key: of its
    records, in words. settings: the broker's. partitioned: as the input is; else of one partition.
    file: of `heartline run`. schema: of its values, in schemas/json. ledger: whether each record
    holds the hash of the one before it. kept: how long, in words (docs/topics.md)."""

    name: str
    writer: str
    key: str
    settings: Mapping[str, str] = field(default_factory=dict)
    partitioned: bool = False
    file: str = ""
    schema: str = ""
    ledger: bool = False
    kept: str = "the broker's default"


# outputs of a chain in the order in which their ledgers and files are made
TOPICS: tuple[Topic, ...] = (
    # retention reads record timestamps, and a replayed flight is years old (docs/topics.md)
    Topic(
        "telemetry.raw", "ground", "the source",
        _KEEP | {"message.timestamp.type": "LogAppendTime"}, partitioned=True,
        kept="for ever; the broker stamps records (`LogAppendTime`)",
    ),
    # all alerts that were emitted: kept for ever, unless configured otherwise
    Topic(
        "telemetry.alerts", "chain", "source:parameter", _KEEP, file="alerts.jsonl",
        schema="alert.schema.json", ledger=True, kept="for ever",
    ),
    # alerts of models in the shadow stage
    Topic(
        "telemetry.alerts.shadow", "chain", "source:parameter", _KEEP, file="alerts.shadow.jsonl",
        schema="alert.schema.json", ledger=True, kept="for ever",
    ),
    Topic(
        "telemetry.statistics", "chain", "the source", _LARGE,
        schema="statistics.schema.json",
    ),
    Topic("telemetry.samples", "chain", "the source", _LARGE),
    # what records name by hash: schemas of samples and statistics, fingerprints of alerts
    Topic("telemetry.definitions", "chain", "SHA-256 of the value", _COMPACT,
          kept="compacted: what its key is the hash of"),
    Topic(
        "telemetry.rejects", "chain", "the source", _LARGE, file="rejects.jsonl",
        schema="reject.schema.json",
    ),
    Topic(
        "telemetry.deadletters", "lane", "as it came", _LARGE | _KEEP,
        kept="for ever; values beyond 7 MB are cut, and say so",
    ),
    Topic(
        "telemetry.state", "state", "a lane's block",
        _KEEP | {"retention.bytes": str(2**30), "segment.bytes": str(2**27)}, partitioned=True,
        kept="1 GiB a partition: at least eight snapshots",
    ),
    # the current alarm of every parameter, and the stage of every model
    Topic("telemetry.alarms", "desk", "the monitor", _COMPACT,
          kept="compacted: the last of each key"),
    Topic("telemetry.models", "desk", "source/model", _COMPACT,
          kept="compacted: the last word on each trained model"),
    # who did what about alarms, and what the desk made of them
    Topic("telemetry.desk", "desk", "who wrote it", _LARGE | _KEEP,
          schema="desk.schema.json", kept="for ever"),
)  # fmt: skip
BY_NAME = {topic.name: topic for topic in TOPICS}


def _written_by(*writers: str) -> tuple[str, ...]:
    return tuple(topic.name for topic in TOPICS if topic.writer in writers)


RAW, STATE = "telemetry.raw", "telemetry.state"
ALERTS, SHADOW = "telemetry.alerts", "telemetry.alerts.shadow"
STATISTICS, SAMPLES = "telemetry.statistics", "telemetry.samples"
DEFINITIONS = "telemetry.definitions"
REJECTS, DEAD_LETTERS = "telemetry.rejects", "telemetry.deadletters"
ALARMS, MODELS = "telemetry.alarms", "telemetry.models"
DESK = "telemetry.desk"
ALERTS_OF_ALL = tuple(topic.name for topic in TOPICS if topic.ledger)  # topics with alerts
OUTPUTS = _written_by("chain")
LANE_OUTPUTS = _written_by("chain", "lane")


def on_wire(topic: str, namespace: str = "") -> str:
    """Topic name as the broker knows it: `replay.telemetry.raw` in the namespace `replay`."""
    return f"{namespace}.{topic}" if namespace else topic
