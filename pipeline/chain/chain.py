"""The chain of one source: records of telemetry.raw in, outputs with their ids out.

    records → packets → decode ─┬─▶ samples          (packets also → loss of signal)
                                └─▶ container: limits → monitor
                                              order → group: resample ─┬─▶ statistics
                                                                       └─▶ models → monitor

A pure function of its input: it reads no clock, and any split of the input into feeds (of whole
records) gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pipeline.alarms.clock import ClockSteps
from pipeline.alarms.inhibitions import END_OF_TIME, Inhibitions
from pipeline.alarms.loss_of_signal import LossOfSignal
from pipeline.alarms.refused import NOTHING_UNREAD, Unread
from pipeline.chain.container import ContainerChain
from pipeline.chain.control import (
    Controlled,
    Vouch,
    Written,
    anybody,
    apply,
    decode_control,
    event,
    sentence,
    stage_event,
)
from pipeline.chain.cross_container import cross_container_models
from pipeline.chain.groups import gauged
from pipeline.chain.program.program import LEAST, Program, Taken
from pipeline.chain.registry import Registry
from pipeline.chain.signers import Signers
from pipeline.decode import Decoder, Plan, compile_plans
from pipeline.decode.decoder import Columns, Decoded, Flat
from pipeline.errors import MissionError
from pipeline.fingerprint import fingerprint
from pipeline.mission.folder import Mission, phase_values
from pipeline.models.shared.contract import Expected
from pipeline.outputs.alerts import alert_output
from pipeline.outputs.closings import GROUP, PACKET, Closing
from pipeline.outputs.definitions import (
    SAMPLES,
    STATISTICS,
    Definition,
    Definitions,
    columns_output,
    of_fingerprint,
    of_form,
)
from pipeline.outputs.evidence import Origin, input_of
from pipeline.outputs.ledger import Ledger
from pipeline.outputs.names import names_for_people, shared_names
from pipeline.outputs.pending import Pending, Rank, number
from pipeline.outputs.refusals import Refusals
from pipeline.outputs.rejects import group, ranges_of, reject_output
from pipeline.outputs.samples import Samples
from pipeline.outputs.statistics import StatisticsColumns, StatisticsForm
from pipeline.packets import PacketReader, Reassembler
from pipeline.timeline.order import Steps
from pipeline.timeline.phases import Phases
from schemas import topics
from schemas.columns import ABSENT, I8, NEVER, Output, PacketBatch, Reason, Rejects, Stage
from schemas.control import Control
from schemas.mission import Level
from schemas.records import Kind, RawRecord, Records, tick_of
from schemas.state import Composite


@dataclass(slots=True)
class Fed:
    """What one feed gave: outputs in order, each with the index of the record that caused it."""

    outputs: list[tuple[int, Output]]
    samples: int
    refusals: Refusals
    closings: list[Closing] = field(default_factory=list)  # statistics of groups with gauges

    @property
    def rejected(self) -> dict[int, int]:
        """What was refused, by reason."""
        return dict(self.refusals.total())

    def add(self, first: int, later: Fed) -> None:
        """Add what the records from `first` on gave."""
        self.outputs += [(first + i, output) for i, output in later.outputs]
        self.samples += later.samples
        self.closings += later.closings
        self.refusals.merge(later.refusals)


class Standing(NamedTuple):
    """One active alarm. model: its name, if it is a trained one. place: its container, if the
    parameter is in several."""

    kind: str
    parameter: str
    level: Level
    model: str | None
    place: tuple[str, ...] = ()

    def key(self, source: str) -> tuple[str, ...]:
        """The key that `monitor_key` gives for the alert that reported it."""
        model = (self.model,) if self.model else ()
        return (source, self.parameter, self.kind, *model, *self.place)


class Chain(Composite):
    """partition: of telemetry.raw, used only in ids and evidence.
    vouch: says whether a control record is accepted, and if not, why.

    together: whether all containers of a batch are run in one call a stage, which is faster where
    there are several. Both ways give the same."""

    def __init__(
        self, mission: Mission, source: str = "", partition: int = 0, vouch: Vouch = anybody
    ) -> None:
        self.mission, self._vouch = mission, vouch
        self.source = source or mission.settings.source
        self._partition = partition
        self.plans = compile_plans(mission.mdb, mission.settings.time)
        self.fingerprint = fingerprint(mission.mdb, mission.settings)
        self.names = names_for_people(mission.mdb, self.plans.plans)
        shared = shared_names(self.plans.plans)
        named = of_fingerprint(self.fingerprint).sha256
        origin = Origin(self.source, partition, named, self.names, shared)
        self._origin = origin
        self.packets = PacketReader()
        self.reassembly = Reassembler(mission.settings.segmented_apids)
        self._decoder = Decoder(self.plans, mission.settings.allow_trailing_bytes)
        self.samples = Samples(mission, self.plans.plans, self.names)
        self.containers = [
            ContainerChain(mission, plan, i, origin) for i, plan in enumerate(self.plans.plans)
        ]
        self.models = Registry(self.containers)
        self._root = f"/{mission.mdb.name}"
        self._ledger, self._phases = Ledger(), _phases(mission, self.plans.plans)
        groups = [g for c in self.containers for g in c.groups]
        self.statistics_form = StatisticsForm(
            self.source, [g.name for g in groups], mission.settings.statistics,
            mission.settings.quantiles,
        )  # fmt: skip
        self.statistics = StatisticsColumns(self.statistics_form)
        for i, one in enumerate(groups):
            one.publish_in(self.statistics.pool, i)
        names = set(gauged(mission, self.plans.plans))
        self._gauged = np.array([bool(names & set(g.name.parameters)) for g in groups], bool)
        self.definitions = Definitions(self._defined())
        self._cross_container = cross_container_models(
            mission, groups, self._root, len(self.containers), origin
        )
        self._los = LossOfSignal(self._root, mission.settings.time.los_s, origin)
        containers = [p.qualified_name for p in self.plans.plans]
        self._container_names = [p.container for p in self.plans.plans]
        self.clock = ClockSteps(self._root, containers, origin)
        self._inhibitions, self._signers = Inhibitions(), Signers()
        self._controlled: list[Controlled] = [
            self._los,
            self.clock,
            *self.containers,
            *self._cross_container,
        ]
        self._static = np.array([p.static for p in self.plans.plans], bool)
        self.together = len(self.containers) >= LEAST
        self._program: Program | None = None  # made with the first packets: it needs all kernels

    @property
    def watermark_ns(self) -> int:
        """The latest watermark of its containers; it goes back when the clock does."""
        return max((c.order.watermark_ns for c in self.containers), default=NEVER)

    @property
    def last_packet_ns(self) -> int:
        """Reception time of the newest packet; NEVER before the first."""
        return self._los.last_ns

    @property
    def stages(self) -> dict[str, Stage]:
        named: dict[str, Stage] = {
            "models": self.models,  # first: the models it installs hold their own state
            "packets": self.packets, "reassembly": self.reassembly, "decoder": self._decoder,
            "samples": self.samples, "statistics": self.statistics,
            "definitions": self.definitions, "los": self._los, "clock": self.clock,
            "ledger": self._ledger, "inhibitions": self._inhibitions, "signers": self._signers,
        }  # fmt: skip
        if self._phases:
            named["phases"] = self._phases
        named |= {f"across{i}": a for i, a in enumerate(self._cross_container)}
        return named | {f"container{i}": c for i, c in enumerate(self.containers)}

    def forecasts(self) -> Iterator[tuple[str, Level, float]]:
        """(qualified name, level, seconds to it) of every range that a parameter heads for."""
        for container in self.containers:
            yield from container.forecasts()

    def expects(self, chosen: Container[str]) -> Iterator[tuple[str, str, Expected]]:
        """(qualified name, model, what it expects of the next sample) of the chosen parameters."""
        for container in self.containers:
            yield from container.expects(chosen)

    def phase(self) -> str | None:
        """Name of the phase that was told last; None: none was yet, or the mission has none."""
        now = self._phases.now if self._phases else None
        return None if now is None else self.mission.settings.phases.names[now]

    def _defined(self) -> Iterator[Definition]:
        """Everything that its records name by hash."""
        yield of_fingerprint(self.fingerprint)
        if self.mission.settings.outputs.statistics == "columns":
            yield of_form(STATISTICS, self.statistics_form.form)
        for container, columns in enumerate(self.samples.columns):
            if columns:
                yield of_form(SAMPLES, self.samples.form(container))

    def standing(self) -> Iterator[Standing]:
        """Every active alarm, except those of models in the shadow."""
        for part in self._controlled:
            for w in part.watched():
                if w.model and w.model["stage"] == "shadow":
                    continue
                levels = w.levels()
                for j in np.flatnonzero(levels).tolist():
                    name = w.names[j]
                    place = w.origin.place(name) if w.origin else ()
                    model = (w.model or {}).get("id")
                    yield Standing(w.kind, name, Level(levels[j]), model, place)

    def inhibited(self) -> Iterator[tuple[str, str]]:
        """(kind, parameter) of every inhibited monitor."""
        for part in self._controlled:
            for w in part.watched():
                for j in np.flatnonzero(w.monitor.state["inhibited"]).tolist():
                    yield w.kind, w.names[j]

    def limits(self, chosen: Container[str]) -> Iterator[tuple[str, Level, str, float]]:
        """(qualified name, level, side, bound) of static limits in force, for chosen parameters."""
        for container in self.containers:
            yield from container.limits_in_force(chosen)

    def feed(self, records: Records | Sequence[RawRecord]) -> Fed:
        """Run whole records through every stage. A control takes effect from its record on."""
        given = records if isinstance(records, Records) else Records.of(records)
        fed = Fed([], 0, Refusals())
        for first, run in _runs(given):
            if run.kind[0] == Kind.CONTROL:
                fed.add(first, self._control(run))
            else:
                for later, part, due in self._until_due(run):
                    fed.add(first + later, self._run(part, due))
        return fed

    def _until_due(self, records: Records) -> Iterator[tuple[int, Records, int]]:
        """The records, cut before each tick at which an inhibition ends; its time, or 0."""
        first, due = 0, 0
        if self._inhibitions.next_ns < END_OF_TIME:
            for i in np.flatnonzero(records.kind == Kind.TICK).tolist():
                now = tick_of(records, i)
                if now is not None and now >= self._inhibitions.next_ns:
                    if first < i:
                        yield first, records.part(first, i), due
                    first, due = i, now if self.packets.takes(now) else 0
        if first < len(records):
            yield first, records.part(first, len(records)), due

    def _control(self, given: Records) -> Fed:
        record = given.one(0)
        batch, _ = self.packets.feed(given)  # counts it
        at = self._at(record.offset, batch)
        bad = Reason.BAD_CONTROL
        try:
            control = decode_control(record.value)
            if self._is_believed(record, control):
                events = self._apply(control, at)
            else:
                bad, events = Reason.UNSIGNED_CONTROL, []
        except ValueError:  # of orjson too
            events = []
        out: list[Pending] = []
        refusals = Refusals()
        if not events:
            z = np.zeros(1, np.int64)
            reason, length = np.array([bad], np.uint8), z + len(record.value)
            refused = Rejects(reason, z - 1, z.astype(np.int32), z + record.offset, z, length)
            refusals.add(refused)
            self._add_rejects(refused, given, out)
        for i, one in enumerate(events):
            out.append(Pending(0, 0, Rank.LIMIT, (i,), partial(alert_output, one, sentence)))
        return Fed(self._entered(out, given), 0, refusals)

    def _is_believed(self, record: RawRecord, control: Control) -> bool:
        now = int(self.packets.state["last_tick"][0])
        refused, by = self._vouch(self.source, record, control, now)
        if refused:
            return False
        report = control.model.report if control.model else None
        if report and report.mission_database != self.mission.mdb.sha256:
            return False  # the gate report is of another mission
        return not by or self._signers.is_news(by, control.when_ns)

    def _entered(self, out: list[Pending], records: Records) -> list[tuple[int, Output]]:
        """Outputs in order, with their ids, alerts in the ledger."""
        out += self.definitions.pending()
        return self._ledger.enter(number(out, records.offset, self._partition))

    def _apply(self, control: Control, at: Written) -> list[dict[str, Any]]:
        """Apply a control; returns the alerts that report what changed, none if nothing did."""
        if control.model is None:
            self._inhibitions.check(control)
            changed = apply(control, self._controlled)
            if changed:
                self._inhibitions.take(control)
            return [event(control, one, at) for one in changed]
        old = self.models.working.get(control.model.name)
        artefact = control.model.artefact or (old.artefact if old else None)
        standing = self.models.apply(control.model, control.who, control.why)
        assert artefact  # else `apply` has raised: there was nothing to retire
        said = [(self._root, 0), *standing]
        return [stage_event(control, artefact, name, level, at) for name, level in said]

    def _at(self, offset: int, batch: PacketBatch) -> Written:
        """Where a control came from, and who reads it."""
        return Written(self._origin, input_of(self._partition, offset, offset, batch.digests[0]))

    def _expire(self, now_ns: int, offset: int, batch: PacketBatch, out: list[Pending]) -> None:
        """Enable monitors whose inhibition ends now, before anything else that the tick causes."""
        at = self._at(offset, batch)
        for control in self._inhibitions.due(now_ns):
            for changed in apply(control, self._controlled):
                make = partial(alert_output, event(control, changed, at), sentence)
                out.append(Pending(-1, 0, Rank.LIMIT, (len(out),), make))

    def _run(self, records: Records, due_ns: int = 0) -> Fed:
        """Packets and ticks. due_ns: the first record is a tick at which an inhibition ends."""
        out: list[Pending] = []
        batch, refused = self.packets.feed(records)
        if due_ns:
            self._expire(due_ns, int(records.offset[0]), batch, out)
        batch.heard = self._los.feed(batch, out)
        rejects = [refused]
        batch, lost = self.reassembly.feed(batch)
        decoded = self._decoder.feed(batch)
        rejects += [lost, decoded.rejects]
        refusals = Refusals()
        refusals.add(refused)
        refusals.add(lost)
        refusals.add(decoded.rejects, decoded.unread, self._container_names, decoded.excess)
        ticks = np.flatnonzero(batch.length == 0)
        if self._phases:
            rows = {r.container: r for r in decoded.rows}
            batch = replace(batch, phases=self._phases.feed(rows))
        steps: list[tuple[int, Steps]] = []
        for i, late, moved in self._contain(batch, decoded, ticks, out):
            rejects.append(late)
            everywhere = {i: (late.packet, late.reason)}
            refusals.add(late, everywhere, self._container_names)
            if len(moved.packet):
                steps.append((i, moved))
        self.clock.feed(batch, ticks, steps, out)
        for across in self._cross_container:
            across.feed(batch, ticks, out)
        self._feed_samples(batch, decoded.flat, out)
        closings = self._feed_statistics(batch, ticks, out)
        refused = Rejects.concatenate([r for r in rejects if len(r)])
        self._add_rejects(refused, records, out)
        outputs = self._entered(out, records)
        return Fed(outputs, self._samples_in(decoded.columns), refusals, closings)

    def _contain(
        self, batch: PacketBatch, decoded: Decoded, ticks: I8, out: list[Pending]
    ) -> list[Taken]:
        """Run all containers, together where that is faster."""
        columns = decoded.columns
        unread = {c: Unread(*refused) for c, refused in decoded.unread.items()}
        if self.together:
            if self._program is None:
                self._program = Program(self.containers, self.statistics.pool)
            return self._program.feed(batch, columns, unread, ticks, out)
        taken = []
        for c, container in enumerate(self.containers):
            if columns.counts[c] or len(ticks) or c in unread:
                mine = unread.get(c, NOTHING_UNREAD)
                taken.append(Taken(c, *container.feed(batch, columns.of(c), ticks, mine, out)))
        return taken

    def _samples_in(self, columns: Columns) -> int:
        every = columns.counts * columns.width
        some = np.flatnonzero((columns.counts > 0) & ~self._static)
        held = (np.count_nonzero(columns.of(c).quality != ABSENT) for c in some.tolist())
        return int(every[self._static].sum()) + int(sum(held))

    def _feed_samples(self, batch: PacketBatch, flat: Flat, out: list[Pending]) -> None:
        for packet, container, value in self.samples.feed(batch, flat):
            form = self.samples.form(container)
            make = partial(columns_output, topics.SAMPLES, self.source, form, value)
            record = int(batch.record[packet])
            out.append(Pending(packet, record, Rank.SAMPLES, (container,), make))

    def _feed_statistics(self, batch: PacketBatch, ticks: I8, out: list[Pending]) -> list[Closing]:
        """Publishes what windows gave; returns that of the groups that have gauges."""
        pool, form = self.statistics.pool, self.statistics_form
        wanted, new = self.mission.settings.outputs.statistics, pool.heads[: pool.n]
        gauged = self._gauged[new[:, GROUP]] & (new[:, PACKET] >= 0)
        closings = [pool.one(i) for i in np.flatnonzero(gauged).tolist()]
        if wanted == "columns":
            out += self.statistics.feed(ticks, batch.record)
            return closings
        for i in pool.order().tolist() if wanted == "json" else ():
            c = pool.one(i)
            order, record = (c.group, c.window, c.end_ns), int(batch.record[c.packet])
            make = partial(form.json, c)
            out.append(Pending(c.packet, record, Rank.STATISTICS, order, make))
        pool.clear()
        return closings

    def _add_rejects(self, rejects: Rejects, records: Records, out: list[Pending]) -> None:
        last = 2**62  # after everything else that the record caused
        for record, reason, offset, found in group(rejects):
            make = partial(
                reject_output, self.source, self._partition, reason, offset,
                ranges_of(rejects, found),
                # an earlier record's bytes are available only in some chunkings: never given
                records.value(record) if records.offset[record] == offset else None,
            )  # fmt: skip
            out.append(Pending(last, record, Rank.REJECT, (reason, offset), make))


def _phases(mission: Mission, plans: tuple[Plan, ...]) -> Phases | None:
    wanted = mission.settings.phases
    if not wanted.parameter:
        return None
    columns = {
        i: column
        for i, plan in enumerate(plans)
        for column, field in enumerate(plan.fields)
        if field.parameter.name == wanted.parameter
        and field.parameter.type.kind not in ("time", "binary", "string")
        and not field.wide
    }
    if not columns:
        raise MissionError(
            f"{mission.folder}: [phases] parameter = {wanted.parameter!r} stands in no container "
            "as a number or an enumeration, so no phase would ever begin."
        )
    jump_ns = round(mission.settings.time.jump_s * 1e9)
    return Phases(phase_values(wanted, mission.mdb), columns, jump_ns)


def _runs(records: Records) -> Iterator[tuple[int, Records]]:
    """Records between controls, and each control by itself, with the index of the first record."""
    first = 0
    for i in np.flatnonzero(records.kind == Kind.CONTROL).tolist():
        if first < i:
            yield first, records.part(first, i)
        yield i, records.part(i, i + 1)
        first = i + 1
    if first < len(records):
        yield first, records.part(first, len(records))
