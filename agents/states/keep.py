"""Compacted topics of current state, derived from alerts.

One plain Faust agent: low rate, and written so that a repeat is harmless. There is not one agent
for each topic of states: where two agents read the same topic and the worker stops, Faust 0.15.3
empties both queues (`App._stop_consumer`, `flow_control.clear`) and then waits for ever for an
alert that one of them had taken already and the other never will.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, Callable, Mapping
from typing import Any

import faust
import orjson
from aiokafka.errors import KafkaError

from agents.host.errors import BrokerError
from agents.observe.logs import BROKER
from agents.readers.tail import follow
from agents.states.alarms import Alarms
from schemas import topics

log = logging.getLogger("heartline.desk")
AGAIN_S = 2.0
State = tuple[bytes, bytes] | None  # key and value; None: the alert does not affect it


def keep_states(
    app: faust.App, bootstrap: str, namespace: str,
    kept: Mapping[str, Callable[[dict[str, Any]], State]], alarms: Alarms,
) -> None:  # fmt: skip
    """Alerts in, states out. kept: topic of states to the function that derives one from an alert.
    alarms: the states on telemetry.alarms, which is followed to keep them up to date."""
    known = asyncio.Event()  # telemetry.alarms was read to its end

    async def follow_alarms() -> None:
        names = (topics.ALARMS,)
        async for _, record in follow(bootstrap, namespace, names, True, False, known.set):
            again = alarms.read(record.key or b"", record.value)
            if again:
                await topic(topics.ALARMS).send(key=record.key, value=again)

    @app.task
    async def keep_up() -> None:
        while True:
            try:
                await follow_alarms()
            except (BrokerError, KafkaError, TimeoutError, OSError) as error:
                log.warning("telemetry.alarms: %s", error or repr(error), extra=BROKER)
                await asyncio.sleep(AGAIN_S)

    def topic(name: str, **options: Any) -> Any:
        return app.topic(
            topics.on_wire(name, namespace), value_serializer="raw", key_serializer="raw", **options
        )

    alerts = topic(topics.ALERTS, value_type=bytes)
    states = [(topic(name), state_of) for name, state_of in kept.items()]

    @app.agent(alerts, name="desk")
    async def keep(stream: AsyncIterable[bytes]) -> None:
        await known.wait()
        async for value in stream:
            try:
                alert = orjson.loads(value)
                told = [(where, state_of(alert)) for where, state_of in states]
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                log.warning("what stands on telemetry.alerts is no alert of ours: %r", error)
                continue
            for where, state in told:
                if state:
                    await where.send(key=state[0], value=state[1])
