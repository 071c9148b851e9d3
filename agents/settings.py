"""Settings of the service: one TOML file for worker, ingest, replay and watch (docs/service.md).

Each key is also an environment variable (`HEARTLINE_METRICS_PORT`); if a command has an option for
it, the option takes precedence. pydantic-settings reads and checks them: of the maintained
libraries for this, only it reports all errors of a table at once, with the place of each (dynaconf
and environ-config check values one by one).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from agents.ground.spool import Limits as SpoolLimits
from agents.ground.spool import WhenFull
from agents.host.addresses import addresses
from agents.host.door import IDLE_S
from pipeline.errors import MissionError
from pipeline.mission.folder import Mission, load_mission

PREFIX = "HEARTLINE_"
HANDED_OVER = f"{PREFIX}SETTINGS"  # how `heartline worker` hands its settings to the Faust app
CONFIG = f"{PREFIX}CONFIG"  # a settings file, where --config names none


def _no_bool(value: Any) -> Any:
    """Refuse TOML's `true` as a number, although it is one in Python."""
    if isinstance(value, bool):
        raise ValueError("is no number")
    return value


def _addresses(value: str) -> str:
    addresses(value)  # ValueError says what is wrong with which
    return value


def _source_name(value: str) -> str:
    if not value or "/" in value:
        raise ValueError("a source's name has no slash")
    return value


Count = Annotated[int, BeforeValidator(_no_bool), Field(ge=1, le=100_000)]
Port = Annotated[int, BeforeValidator(_no_bool), Field(ge=0, le=65_535)]
Seconds = Annotated[float, BeforeValidator(_no_bool), Field(gt=0, le=86_400)]
Milliseconds = Annotated[int, BeforeValidator(_no_bool), Field(ge=1, le=600_000)]
SpoolBytes = Annotated[int, BeforeValidator(_no_bool), Field(ge=1 << 20)]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+(/\S*)?$")]
Bootstrap = Annotated[str, AfterValidator(_addresses)]
SourceName = Annotated[str, AfterValidator(_source_name)]
Guarantee = Literal["best", "exactly-once", "at-least-once"]
OtherState = Literal["refuse", "accept", "reread"]
Role = Literal["watch", "operate", "administer"]  # each may what the ones before it may
OTHER_STATE, GUARANTEES = get_args(OtherState), get_args(Guarantee)


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceSettings(Table):
    """One source: its mission folder, and an XTCE in the place of the folder's own."""

    mission: str
    mdb: str = ""

    def load(self) -> Mission:
        return load_mission(self.mission, self.mdb or None)


class LinkSettings(Table):
    """One way in: what `heartline ingest --link NAME` reads, and whose packets they are."""

    inputs: Annotated[list[str], Field(min_length=1)]
    source: SourceName
    skip_header_bytes: Annotated[int, BeforeValidator(_no_bool), Field(ge=0, le=65_535)] = 0
    allow: list[str] = Field(default_factory=list)  # networks; none named: everybody
    idle_s: Annotated[float, BeforeValidator(_no_bool), Field(ge=0)] = IDLE_S
    spool: str = ""  # a folder; by default one of its own beneath STATE_DIRECTORY
    spool_bytes: SpoolBytes = SpoolLimits().size
    spool_age_s: Annotated[float, BeforeValidator(_no_bool), Field(ge=0)] = SpoolLimits().age_s
    when_full: WhenFull = SpoolLimits().when_full
    metrics_port: Port | None = None  # none: no /metrics and no /healthz

    @property
    def limits(self) -> SpoolLimits:
        return SpoolLimits(self.spool_bytes, self.spool_age_s, self.when_full)


class ReplaySettings(Table):
    """Of `heartline replay`: a namespace of its own, so that it never pages."""

    namespace: str = "replay"


class ControlSettings(Table):
    """Who may write control records: public keys of people and of gates, files by name; brokers
    that may carry unsigned ones (docs/security.md)."""

    keys: dict[str, str] = Field(default_factory=dict)
    gates: dict[str, str] = Field(default_factory=dict)
    unsigned: list[str] = Field(default_factory=list)


class TokenSettings(Table):
    """Who may use the desk's HTTP API: made by `heartline desk token`."""

    role: Role
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class DeskSettings(Table):
    """Of `heartline desk` (docs/desk.md)."""

    host: str = "127.0.0.1"
    port: Port = 9310
    metrics_port: Port = 9311
    tokens: dict[str, TokenSettings] = Field(default_factory=dict)  # by the person's name
    alertmanagers: list[Url] = Field(default_factory=list)  # of one cluster
    escalate_s: Seconds = 300.0  # an incident of escalate_from or worse, unanswered for so long
    escalate_from: Literal["watch", "warning", "distress", "critical", "severe"] = "warning"
    join_s: Seconds = 60.0  # so long an incident takes in more of its group
    storm: Count = 10  # incidents of one source within storm_s: they are one
    storm_s: Seconds = 10.0
    listed: Count = 200  # alarms that stand as a series each
    control_key: str = ""  # signs what releases a latched alarm


class TableSettings(Table):
    """Of `heartline table` (docs/table.md). url: postgresql://USER@HOST/DATABASE."""

    url: Annotated[str, Field(pattern=r"^(|postgres(ql)?://\S+)$")] = ""
    metrics_port: Port = 9312


class Settings(Table):
    bootstrap: Bootstrap = "127.0.0.1:9092"
    kafka: str = ""  # a file with TLS and SASL (docs/kafka.md)
    seal_key: str = ""  # a file; if none is named, one is made for brokers beyond this machine
    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,100}$")] = ""
    group: Annotated[str, Field(min_length=1)] = "heartline"
    sources: dict[SourceName, SourceSettings] = Field(default_factory=dict)
    ingest: dict[str, LinkSettings] = Field(default_factory=dict)
    replay: ReplaySettings = ReplaySettings()
    control: ControlSettings = ControlSettings()
    desk: DeskSettings = DeskSettings()
    table: TableSettings = TableSettings()
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    partitions: Count = 1  # of telemetry.raw, when it is made here
    metrics_host: str = "127.0.0.1"
    metrics_port: Port = 9308
    commit_ms: Milliseconds = 200  # at once when an alert is raised
    snapshot_s: Seconds = 10.0
    session_timeout_ms: Annotated[Milliseconds, Field(ge=1000)] = 6000
    guarantee: Guarantee = "best"
    other_state: OtherState = "refuse"  # a snapshot of other code or settings
    # used if the group has no committed offset
    start_at: Annotated[str, Field(pattern="^(|beginning|end|[0-9]{1,18})$")] = ""
    parameter_gauges: Annotated[int, BeforeValidator(_no_bool), Field(ge=0)] = 200  # a source

    @property
    def group_on_wire(self) -> str:
        """Name of the deployment's groups: a namespace has its own, so that a replay's workers
        never make the live ones rebalance."""
        return f"{self.namespace}.{self.group}" if self.namespace else self.group

    @property
    def lanes_group(self) -> str:
        """The lanes' group, separate from the one of Faust's consumer."""
        return f"{self.group_on_wire}-lanes"

    @model_validator(mode="after")
    def _links_have_sources(self) -> Settings:
        for name, link in self.ingest.items():
            if link.source not in self.sources:
                raise ValueError(f"[ingest.{name}]: source {link.source!r} is none of [sources]")
        return self


def gather(path: Path | None = None, given: Mapping[str, Any] | None = None) -> Settings:
    """Settings from a file (or that named by HEARTLINE_CONFIG), the environment and a command's
    options; the later take precedence. MissionError lists every error, one per line.
    """
    named = os.environ.get(CONFIG)
    where = path or (Path(named) if named else None)
    table = _read(where) if where else {}

    class Gathered(Settings, BaseSettings):  # the file's table is a source only in this call
        model_config = SettingsConfigDict(
            env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
        )

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no file of variables
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, table)

    options = {key: value for key, value in (given or {}).items() if value is not None}
    try:
        found = Gathered(**options)
    except ValidationError as error:
        lines = [_line(e, options, where) for e in error.errors(include_url=False)]
        raise MissionError("\n".join(lines)) from None
    except SettingsError as error:
        raise MissionError(f"Environment: {error}.") from None
    return Settings.model_construct(**dict(found))


def _line(error: Any, options: Mapping[str, Any], where: Path | None) -> str:
    """One mistake: where it stands, what it is, what it should be."""
    place = [str(part) for part in error["loc"]]
    key = ".".join(place)
    if not place:
        return f"{where or 'Settings'}: {_words(error['msg'])}."
    if place[0] in options:
        stands = f"--{place[0].replace('_', '-')}"
    elif (name := f"{PREFIX}{'__'.join(place)}").upper() in {k.upper() for k in os.environ}:
        stands = name.upper()
    else:
        stands = str(where or "Settings")
    if error["type"] == "extra_forbidden":
        return f"{stands}: {key!r} is unknown; known are {', '.join(_known(place))}."
    if error["type"] == "missing":
        return f"{stands}: {key} is missing."
    value = error["input"]
    return f"{stands}: {key} = {value!r}: {_words(error['msg'])}."


def _known(place: list[str]) -> list[str]:
    """Known keys of the table that has an unknown one."""
    tables: dict[str, type[Table]] = {
        "sources": SourceSettings,
        "ingest": LinkSettings,
        "replay": ReplaySettings,
        "control": ControlSettings,
        "desk": DeskSettings,
        "table": TableSettings,
    }
    of: type[Table] = tables[place[0]] if len(place) > 1 else Settings
    return [*of.model_fields]


def _words(told: str) -> str:
    return told.removeprefix("Value error, ").replace("Input should", "it should", 1)


def _read(path: Path) -> dict[str, Any]:
    """The file's table; relative paths in it start from the file's folder."""
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise MissionError(f"{path}: cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MissionError(f"{path}: not TOML: {error}") from None
    _from_here(table, ("kafka", "seal_key"), path.parent)
    control = table.get("control")
    for keys in (control.get("keys"), control.get("gates")) if isinstance(control, dict) else ():
        if isinstance(keys, dict):
            _from_here(keys, tuple(keys), path.parent)
    if isinstance(desk := table.get("desk"), dict):
        _from_here(desk, ("control_key",), path.parent)
    links = table.get("ingest")
    for link in links.values() if isinstance(links, dict) else ():
        if isinstance(link, dict):
            _from_here(link, ("spool",), path.parent)
    sources = table.get("sources")
    for source in sources.values() if isinstance(sources, dict) else ():
        if isinstance(source, dict):
            _from_here(source, ("mission", "mdb"), path.parent)
    return table


def _from_here(table: dict[str, Any], keys: tuple[str, ...], folder: Path) -> None:
    for key in keys:
        if isinstance(value := table.get(key), str) and value:
            table[key] = str(folder / value)


def to_environment(settings: Settings) -> None:
    os.environ[HANDED_OVER] = settings.model_dump_json()


def from_environment() -> Settings:
    """Settings handed over by `heartline worker`, else those of a file and the environment."""
    if HANDED_OVER in os.environ:
        return Settings.model_validate_json(os.environ[HANDED_OVER])
    return gather()
