"""`heartline desk`: follows alarms, notices what is one event, tells Alertmanager, answers HTTP.

All that it knows is on two topics: it may be killed at any time, and knows as much afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import partial

from aiokafka.errors import KafkaError, ProducerFenced

from agents.broker.declared import ensure_topics
from agents.broker.kafka import patiently
from agents.desk.alertmanager import AGAIN_S, Alertmanager, AwayError
from agents.desk.board import Alarm, Board
from agents.desk.incidents import Incidents
from agents.desk.journal import FencedError, Journal
from agents.desk.latches import Latches
from agents.desk.metrics import DeskMetrics, look
from agents.desk.notices import answers, notices
from agents.desk.reading import take
from agents.host.errors import BrokerError
from agents.observe.logs import BROKER
from agents.settings import Settings
from pipeline.mission.folder import Mission
from schemas import topics
from schemas.desk import DeskRecord

log = logging.getLogger("heartline.desk")
OWN = (topics.ALERTS, topics.ALARMS, topics.DESK)
LOOK_S = 1.0  # between two looks at what changed
UNHEARD_S = 20.0
AWAY = {"about": "alertmanager"}


class Desk:
    """board: what it shows. journal: of the topics that it follows; None: it does not, `why`."""

    def __init__(self, settings: Settings, missions: Mapping[str, Mission]) -> None:
        self.settings, self._missions = settings, missions
        self.board, self.why = Board(), "it has not begun"
        self.metrics = DeskMetrics()
        d = settings.desk
        self.alertmanagers = [Alertmanager(u, settings.group_on_wire) for u in d.alertmanagers]
        self._latches = Latches(settings, missions)
        self._changed = [asyncio.Event() for _ in self.alertmanagers]
        self.journal: Journal | None = None
        self._unwritten, self._fenced, self._shown = False, False, ""
        self._began_ns = time.time_ns()
        self._telling: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Until cancelled. BrokerError: it cannot go on; another desk may have taken over."""
        s = self.settings
        self.why = f"waits for a broker at {s.bootstrap}"
        # how many partitions telemetry.raw has is no matter of the desk, were it the first to start
        made = partial(ensure_topics, s.bootstrap, s.namespace, 1, OWN)
        await patiently(made, s.bootstrap)
        self._telling = [
            asyncio.create_task(self._tell(one, changed))
            for one, changed in zip(self.alertmanagers, self._changed, strict=True)
        ]
        try:
            while True:
                try:
                    await self._session()
                except FencedError:
                    raise
                except (BrokerError, KafkaError, TimeoutError, OSError) as error:
                    self.why = str(error) or repr(error)
                    self._fenced = isinstance(error.__cause__, ProducerFenced)
                    log.warning("the desk begins anew: %s", self.why, extra=BROKER)
                await asyncio.sleep(LOOK_S)
        finally:
            for task in self._telling:
                task.cancel()
            await asyncio.gather(*self._telling, return_exceptions=True)
            for one in self.alertmanagers:
                await one.close()

    async def _session(self) -> None:
        """Follow the topics from their beginning. What was shown is shown until all is read."""
        s, board = self.settings, Board()
        journal = Journal(s.bootstrap, s.namespace, self._began_ns, self._fenced)
        incidents = Incidents(board, s.desk, self._group_of)
        try:
            await journal.open()
            self.why, looked = "it still reads what there was", 0.0
            while True:
                records = await journal.read()
                for topic, record in records:
                    take(board, topic, record, time.time_ns())
                if self.journal is None and journal.behind == 0:
                    self.board, self.journal, self.why = board, journal, ""
                if not self.journal or (not records and time.monotonic() - looked < LOOK_S):
                    continue
                looked = time.monotonic()
                noticed = await self._notice(journal, board, incidents)
                if noticed or records:
                    for changed in self._changed:
                        changed.set()
                await self._latches.release(board)
                for task in self._telling:
                    if task.done():  # by an error of ours: nobody would be told any more
                        task.result()
                self._measure(journal)
        finally:
            self.journal = None
            await journal.close()

    async def _notice(self, journal: Journal, board: Board, incidents: Incidents) -> bool:
        """Whether anything was noticed. It is told to nobody before it is written."""
        mark, self._unwritten = board.mark(), True
        try:
            noticed = incidents.notice(time.time_ns())
            if noticed:
                await journal.write(noticed, own=True)
        except BaseException:
            board.back(mark)
            raise
        finally:
            self._unwritten = False
        return bool(noticed)

    def _measure(self, journal: Journal) -> None:
        found = look(
            self.board, frozenset(self.settings.sources), time.time_ns(), self.settings.desk.listed
        )
        found.behind, found.looked = journal.behind, time.time()
        found.alertmanagers = {one.name: (one.up, one.taken) for one in self.alertmanagers}
        self.metrics.figures = found
        many = sum(1 for _ in self.board.open_incidents())
        self._shown = (  # /healthz is answered from another thread
            f"{len(self.board.alarms)} monitors known, {len(self.board.standing)} alarms stand, "
            f"{many} incidents are open"
        )

    async def _tell(self, one: Alertmanager, changed: asyncio.Event) -> None:
        """Hand over what is open: at once where something changed, else every AGAIN_S."""
        while True:
            # also while the broker is away: what it showed last is still open as far as is known
            if self._shown and not self._unwritten:
                changed.clear()
                now = time.time()
                told = notices(self.board, self.settings.group_on_wire, int(now * 1e9))
                try:
                    await one.hand_over(told, answers(self.board), now)
                except AwayError as error:
                    log.warning("Alertmanager did not take it: %s", error, extra=AWAY)
            again = asyncio.create_task(changed.wait())
            await asyncio.wait({again}, timeout=AGAIN_S if one.up else LOOK_S)
            again.cancel()
            await asyncio.sleep(LOOK_S)

    async def do(self, record: DeskRecord) -> None:
        """Write what a person did, and take it. BrokerError: it is not known whether it is done."""
        journal = self.journal
        if journal is None:
            raise BrokerError(f"The desk does not follow: {self.why}.")
        offset = await journal.write([record], own=False)
        try:
            await journal.has_read(offset)
        except (KafkaError, TimeoutError, OSError):
            raise BrokerError("It is written, and was not read back in time.") from None

    def health(self) -> tuple[bool, str]:
        journal = self.journal
        if journal is None:
            return False, f"not following: {self.why}"
        ago = time.monotonic() - journal.heard
        read = (
            f"{journal.behind} records are not read yet, it was" if journal.behind else "all read,"
        )
        told = [f"{read} asked {ago:.0f} s ago", self._shown]
        for one in self.alertmanagers:
            since = f"{time.time() - one.taken:.0f} s ago" if one.taken else "never"
            told.append(f"{one.name}: {'up' if one.up else one.why}, last told {since}")
        return ago < UNHEARD_S, "; ".join(told)

    def _group_of(self, alarm: Alarm) -> str:
        """The first group of its mission that names its parameter."""
        mission = self._missions.get(alarm.source)
        if mission is None:
            return ""
        below = alarm.state.parameter.removeprefix(f"/{mission.mdb.name}/")
        for name, patterns in mission.settings.groups.items():
            if any(fnmatchcase(below, pattern) for pattern in patterns):
                return name
        return ""
