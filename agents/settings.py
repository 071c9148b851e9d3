"""Settings of the service: one TOML file, each key also on the command line (docs/service.md)."""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from pipeline.errors import MissionError
from pipeline.mission import Mission, load_mission

ENVIRONMENT = "HEARTLINE_SETTINGS"  # how `heartline worker` hands its settings to the Faust app
OTHER_STATE = ("refuse", "accept", "reread")
GUARANTEES = ("best", "exactly-once", "at-least-once")
START = re.compile("|beginning|end|[0-9]{1,18}")
CONFIG = "HEARTLINE_CONFIG"  # a settings file, for `faust -A agents.app worker`


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One source: its mission folder, and an XTCE in the place of the folder's own."""

    mission: str
    mdb: str = ""

    def load(self) -> Mission:
        return load_mission(self.mission, self.mdb or None)


@dataclass(frozen=True, slots=True)
class Settings:
    bootstrap: str = "127.0.0.1:9092"
    namespace: str = ""
    group: str = "heartline"
    sources: dict[str, SourceSettings] = field(default_factory=dict)
    partitions: int = 1  # of telemetry.raw, when it is made here
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 9308
    commit_ms: int = 200  # at once when an alert is raised
    snapshot_s: float = 10.0
    session_timeout_ms: int = 6000
    guarantee: str = "best"  # exactly-once, at-least-once, or what the broker can do
    other_state: str = "refuse"  # a snapshot of other code or settings: refuse, accept, reread
    start_at: str = ""  # beginning, end or an offset, where the group has none committed
    parameter_gauges: int = 200  # most statistics gauges a source

    @property
    def group_on_wire(self) -> str:
        """Name of the deployment's groups: a namespace has its own, so that a replay's workers
        never make the live ones rebalance."""
        return f"{self.namespace}.{self.group}" if self.namespace else self.group

    @property
    def lanes_group(self) -> str:
        """Not Faust's own group, which its consumer is in."""
        return f"{self.group_on_wire}-lanes"


def load_settings(path: str | Path) -> Settings:
    """Settings from a TOML file. MissionError names file and key."""
    try:
        table = tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise MissionError(f"{path}: cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MissionError(f"{path}: not TOML: {error}") from None
    return _settings(table, str(path))


def _settings(table: dict[str, Any], where: str) -> Settings:
    known = {f.name: f for f in dataclasses.fields(Settings)}
    for key, value in table.items():
        if key not in known:
            raise MissionError(f"{where}: {key!r} is unknown; known are {', '.join(known)}.")
        if key == "start_at" and not START.fullmatch(str(value)):
            raise MissionError(f"{where}: start_at = {value!r} is no beginning, end or offset.")
        words = {"guarantee": GUARANTEES, "other_state": OTHER_STATE}.get(key)
        if words and value not in words:
            raise MissionError(f"{where}: {key} = {value!r}: say {', '.join(words)}.")
        if known[key].type in ("int", "float") and not isinstance(value, (int, float)):
            raise MissionError(f"{where}: {key} = {value!r} is no number.")
    sources = {}
    for name, entry in table.get("sources", {}).items():
        if "/" in name or not name:
            raise MissionError(f"{where}: [sources.{name}]: a source's name has no slash.")
        try:
            sources[name] = SourceSettings(**entry)
        except TypeError:
            raise MissionError(
                f'{where}: [sources.{name}] takes mission = "FOLDER" and mdb = "FILE".'
            ) from None
    return Settings(**{**table, "sources": sources})


def to_environment(settings: Settings) -> None:
    os.environ[ENVIRONMENT] = orjson.dumps(settings).decode()


def from_environment() -> Settings:
    """What `heartline worker` left, or the file that HEARTLINE_CONFIG names, or the defaults."""
    if ENVIRONMENT in os.environ:
        return _settings(orjson.loads(os.environ[ENVIRONMENT]), ENVIRONMENT)
    if CONFIG in os.environ:
        return load_settings(os.environ[CONFIG])
    return Settings()
