"""A latched alarm that was acknowledged at the desk is released in the pipeline.

That changes outputs, so it is a control record in the input (docs/control.md): written until
telemetry.alarms says that the worker took it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agents.broker.kafka import discard, producer, start
from agents.desk.board import Alarm, Board
from agents.host.errors import BrokerError
from agents.lane.authority import Signer, read_signer
from agents.observe.logs import BROKER
from agents.settings import Settings
from pipeline.mission.folder import Mission
from schemas import topics
from schemas.control import Control, encode_control
from schemas.desk import LONGEST
from schemas.records import CONTROL_HEADERS

log = logging.getLogger("heartline.desk")
AGAIN_S = 30.0
STEP_S = 10.0


class Latches:
    """Which alarms wait for their release."""

    def __init__(self, settings: Settings, missions: Mapping[str, Mission]) -> None:
        self._settings = settings
        path = settings.desk.control_key
        self._signer: Signer | None = read_signer(Path(path)) if path else None
        self._latched = {
            (source, mission.mdb.parameters[name].qualified_name)
            for source, mission in missions.items()
            for name, rule in mission.settings.alarms.items()
            if rule.latch
        }
        self._asked: dict[str, float] = {}

    def waiting(self, board: Board, now: float) -> list[Alarm]:
        """now: by time.monotonic()."""
        if not self._latched:
            return []
        return [
            alarm for alarm in (board.alarms[key] for key in board.standing)
            if alarm.kind == "limit"
            and (alarm.source, alarm.state.parameter) in self._latched
            and alarm.state.acknowledged is None
            and alarm.acknowledgement
            and now - self._asked.get(alarm.raised, float("-inf")) >= AGAIN_S
        ]  # fmt: skip

    async def release(self, board: Board) -> None:
        """Write the control record of each. What cannot be written is said, and tried again."""
        now = time.monotonic()
        waiting = self.waiting(board, now)
        if not waiting:
            return
        lately = {raised: at for raised, at in self._asked.items() if now - at < AGAIN_S}
        self._asked = lately | {alarm.raised: now for alarm in waiting}
        client = None
        try:
            async with asyncio.timeout(STEP_S):
                client = await start(producer(self._settings.bootstrap), self._settings.bootstrap)
                for alarm in waiting:
                    await self._write(client, alarm)
        except (KafkaError, BrokerError, TimeoutError, OSError) as error:
            log.warning("a latch was not released: %s", error or repr(error), extra=BROKER)
        finally:
            if client:
                await discard(client, abort=False)

    async def _write(self, client: AIOKafkaProducer, alarm: Alarm) -> None:
        raw = topics.on_wire(topics.RAW, self._settings.namespace)
        value = encode_control(self._control(alarm))
        signed = [self._signer.header(raw, alarm.source, value)] if self._signer else []
        headers = [*CONTROL_HEADERS, *signed]
        await client.send_and_wait(raw, value, alarm.source.encode(), headers=headers)
        log.info("%s: its latch is told to let go", alarm.key, extra=BROKER)

    def _control(self, alarm: Alarm) -> Control:
        done = alarm.acknowledgement
        assert done
        who, why = done.who, done.why
        if self._signer:  # a record is said by whoever signs it
            who = self._signer.name
            why = f"acknowledged at the desk by {done.who}: {why}"[:LONGEST]
        return Control("acknowledge", alarm.state.parameter, who, why, time.time_ns())
