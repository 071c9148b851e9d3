"""Alarms on telemetry.alarms that no monitor has any more: a recomputed state lacks them.

After an upgrade, with other limits or a retired model, the state that a worker continues from may
have fewer alarms than the one before it reported, and no alert will ever clear the others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import orjson
from aiokafka.errors import KafkaError

from agents.broker.kafka import producer, start
from agents.host.errors import BrokerError
from agents.readers.tail import follow
from pipeline.outputs.ids import place_of
from schemas import topics

log = logging.getLogger("heartline.ghosts")


class Ghosts:
    """What a lane that read up to `live` finds active on the topic and not in its state.

    standing: keys of the alarms in its state (`pipeline.outputs.alerts.monitor_key`).
    """

    def __init__(
        self, bootstrap: str, namespace: str, partition: int, live: int, topic_id: str,
        standing: set[tuple[str, ...]],
    ) -> None:  # fmt: skip
        self._bootstrap, self._namespace = bootstrap, namespace
        self._partition, self._live, self._standing = partition, live, standing
        self._topic_id = topic_id

    async def clear(self, sources: frozenset[str]) -> None:
        """Write that they are no longer active. A broker that does not answer is only logged."""
        try:
            known: dict[bytes, bytes | None] = {}
            names = (topics.ALARMS,)
            async for _, record in follow(self._bootstrap, self._namespace, names, True, True):
                known[record.key or b""] = record.value
            gone = list(self.among(known, sources))
            if gone:
                await self._write(gone)
                log.warning("%d alarms stand no more: the state is another now", len(gone))
        except (BrokerError, KafkaError, TimeoutError, OSError) as error:
            log.warning("telemetry.alarms could not be compared: %s", error or repr(error))

    def among(
        self, known: dict[bytes, bytes | None], sources: frozenset[str]
    ) -> Iterator[tuple[bytes, bytes]]:
        """Key and new value of each. known: the newest record of each key."""
        for key, value in known.items():
            state = _state(value)
            if state is None or state["source"] not in sources or state["level"] == "normal":
                continue
            monitor = state["monitor"]
            trained = (monitor["name"],) if state.get("trained") else ()
            place = (state["container"],) if "container" in state else ()
            mine = (state["source"], state["parameter"], monitor["kind"], *trained, *place)
            if mine in self._standing or not self._before(state["alert"]):
                continue
            gone = {"topic_id": self._topic_id, "offset": self._live}
            told = {"level": "normal", "transition": "gone", "sentence": _sentence(state)}
            yield key, orjson.dumps(state | told | {"gone": gone})

    def _before(self, id_: str) -> bool:
        """Whether the alert is of this lane's partition, and of an offset before `live`."""
        place = place_of(id_)
        return (
            place is not None and place.partition == self._partition and place.offset < self._live
        )

    async def _write(self, gone: list[tuple[bytes, bytes]]) -> None:
        client = await start(producer(self._bootstrap), self._bootstrap)
        try:
            wire = topics.on_wire(topics.ALARMS, self._namespace)
            for key, value in gone:
                await client.send_and_wait(wire, value, key)
        finally:
            await client.stop()


def _state(value: bytes | None) -> dict[str, Any] | None:
    """A record of telemetry.alarms; None where it is not in our format."""
    try:
        state = orjson.loads(value or b"null")
        state["source"], state["parameter"], state["level"], state["alert"]
        state["monitor"]["kind"], state["monitor"]["name"]
    except (ValueError, TypeError, KeyError):
        return None
    texts = (
        state["source"], state["parameter"], state["level"], state["alert"],
        state["monitor"]["kind"], state["monitor"]["name"],
    )  # fmt: skip
    return state if all(isinstance(text, str) for text in texts) else None


def _sentence(state: dict[str, Any]) -> str:
    name = state.get("name", state["parameter"])
    return (
        f"{name}: {state['monitor']['kind']} {state['level']} stands no more, by the state of now."
    )
