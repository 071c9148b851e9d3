"""Kafka clients, made in one place, and the topics they need."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.producer import sender

from agents.broker.refusals import refusal
from agents.broker.security import in_use
from agents.host.addresses import addresses
from agents.host.errors import BrokerError
from agents.host.plain import plain
from agents.observe.logs import BROKER
from schemas import topics

log = logging.getLogger("heartline.kafka")
DISCARD_S = 2.0
# aiokafka waits 20 ms whenever the previous transaction's markers are still being written: this was
# most of the 54 ms that the first send of a transaction took on three brokers
sender.BACKOFF_OVERRIDE = 0.002
CONNECT_S = 10.0
_FETCH, _DESCRIBE_TRANSACTIONS = 1, 65  # API keys
_FETCH_OF_4_0 = 4  # the oldest version that Kafka 4.0 takes (KIP-896)


T = TypeVar("T")


class NotTakenError(BrokerError):
    """The broker did not accept a record."""

    def __init__(self, topic: str, error: BaseException) -> None:
        super().__init__(
            f"The broker did not take a record for {topic}: {str(error) or repr(error)}. If it was "
            "started anew and forgot its topics (the embedded one does), start the worker anew, "
            "which makes them, then this."
        )


class NoBrokerError(BrokerError):
    """No broker answers yet; a process that is started before its broker waits for it."""


def _reach(bootstrap: str) -> dict[str, Any]:
    """Client options for the brokers. BrokerError for a wrong address or plaintext not allowed."""
    try:
        addresses(bootstrap)
    except ValueError as error:
        raise BrokerError(f"--bootstrap: {error}.") from None
    _refuse_in_the_clear(bootstrap)
    return {"bootstrap_servers": bootstrap, **in_use().options}


def _refuse_in_the_clear(bootstrap: str) -> None:
    host = in_use().refused(bootstrap)
    if host is not None:
        host = plain(host)  # a broker may have sent it
        raise BrokerError(
            f"{host or 'an empty host name'} would be spoken to in the clear: give --kafka-config "
            "with security.protocol SSL or SASL_SSL, or allow it by name "
            f'(allow.plaintext = ["{host}"], docs/kafka.md).'
        )


@asynccontextmanager
async def administrator(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client while the block lasts. BrokerError where no broker answers."""
    admin = await start(AIOKafkaAdminClient(**_reach(bootstrap)), bootstrap)
    try:
        yield admin
    finally:
        await admin.close()


async def unreachable(bootstrap: str, error: object) -> BrokerError:
    """The error to raise: why a broker refuses us; NoBrokerError if none answers."""
    refused = await refusal(addresses(bootstrap), in_use().options)
    if refused:
        return BrokerError(refused)
    return NoBrokerError(
        f"No Kafka broker answers at {bootstrap}: {error}. Start one "
        "(`heartline broker` runs the embedded one), or name another with --bootstrap."
    )


async def patiently(ask: Callable[[], Awaitable[T]], bootstrap: str) -> T:
    """Ask until a broker answers, and log the waiting: processes may be started in any order.

    A refusal by a broker is raised at once (BrokerError).
    """
    begun = asyncio.get_running_loop().time()
    while True:
        try:
            return await ask()
        except (NoBrokerError, KafkaError, TimeoutError, OSError) as error:
            waited = asyncio.get_running_loop().time() - begun
            log.warning(
                "no broker answers at %s: waiting for one, for %.0f s by now (%s)",
                bootstrap, waited, error.__cause__ or error, extra=BROKER,
            )  # fmt: skip
        await asyncio.sleep(0.5)


async def start(client: Any, bootstrap: str) -> Any:
    """Start a client within CONNECT_S. BrokerError where no broker answers."""
    try:
        async with asyncio.timeout(CONNECT_S):
            await client.start()
        await _refuse_advertised(client, bootstrap)
    except (BrokerError, asyncio.CancelledError):
        await _stop_quietly(client)
        raise
    except (KafkaConnectionError, TimeoutError, OSError) as error:
        await _stop_quietly(client)
        raise await unreachable(bootstrap, error) from error
    except KafkaError:
        await _stop_quietly(client)
        raise
    except Exception as error:  # noqa: BLE001 - the client's parsers raise these on foreign bytes
        await _stop_quietly(client)
        raise BrokerError(f"What answers at {bootstrap} is no Kafka broker: {error!r}.") from None
    return client


async def _refuse_advertised(client: Any, bootstrap: str) -> None:
    """BrokerError if a broker advertises a host to which plaintext is not allowed, or that does not
    match its certificate: aiokafka would retry for ever without an error."""
    inner = getattr(client, "client", None) or getattr(client, "_client", None)
    called = {(broker.host, broker.port) for broker in inner.cluster.brokers()} if inner else set()
    for host, port in called:
        _refuse_in_the_clear(f"{host}:{port}")
    if in_use().protocol.endswith("SSL"):
        refused = await refusal(sorted(called.difference(addresses(bootstrap))), in_use().options)
        if refused:
            raise BrokerError(refused)


async def _stop_quietly(client: Any) -> None:
    stop = getattr(client, "stop", None) or client.close
    try:
        async with asyncio.timeout(2):
            await stop()
    except (KafkaError, TimeoutError, OSError, AttributeError):
        pass  # it never started: there is nothing to lose


def producer(bootstrap: str, **options: Any) -> AIOKafkaProducer:
    """A producer for outputs: acknowledged by all in-sync replicas, packed into large batches."""
    settings: dict[str, Any] = {
        "acks": "all",
        "linger_ms": 2,
        "max_batch_size": 1_000_000,
        "max_request_size": topics.MOST_BYTES,
    }
    return AIOKafkaProducer(**_reach(bootstrap), **(settings | options))


async def stop(client: Any) -> None:
    """Stop a consumer. If no broker answers, its stop raises the cancellation of its own task: that
    is ignored unless the caller itself is being cancelled."""
    task = asyncio.current_task()
    try:
        async with asyncio.timeout(DISCARD_S):
            await client.stop()
    except (KafkaError, TimeoutError, OSError) as error:
        log.warning("a client did not stop cleanly: %r", error)
    except asyncio.CancelledError:
        if task and task.cancelling():
            raise


async def discard(client: AIOKafkaProducer, abort: bool) -> None:
    """Throw a producer away, whatever state it and its broker are in, within seconds."""
    try:
        async with asyncio.timeout(DISCARD_S):
            if abort:
                await client.abort_transaction()
            await client.stop()
            return
    except (KafkaError, TimeoutError, OSError, AttributeError, AssertionError):
        pass  # a frozen broker, or a transaction that is ending: closed by force below
    task = client._sender.sender_task
    for _ in range(2):  # cancelled once, it waits for its own request: cancel again
        if task and not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=DISCARD_S / 2)
    client._closed = True
    try:
        async with asyncio.timeout(DISCARD_S):
            await client.client.close()
    except (KafkaError, TimeoutError, OSError):
        pass  # its sockets go with it


def consumer(bootstrap: str, **options: Any) -> AIOKafkaConsumer:
    """A consumer that never invents an offset, and reads nothing of an aborted transaction."""
    settings: dict[str, Any] = {
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "isolation_level": "read_committed",
        "max_partition_fetch_bytes": 4 * 1024 * 1024,
        "fetch_max_wait_ms": 100,
    }
    return AIOKafkaConsumer(**_reach(bootstrap), **(settings | options))


async def left(client: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> int:
    """Offsets that are still to be read up to the ends given. What an open transaction hides is
    none: a fetch that says so has come."""
    count = 0
    for part, end in ends.items():
        stable = client.last_stable_offset(part)  # of the last fetch
        seen = end if stable is None or stable < 0 else min(end, stable)
        count += max(seen - await client.position(part), 0)
    return count


async def exactly_once_capable(bootstrap: str) -> bool:
    """Whether the broker's transactions allow exactly once. BrokerError for a Kafka before 4.0.

    Decided by the request versions that a broker offers. The embedded broker lists transaction
    requests too, but refuses them; it does not list DescribeTransactions. Coordinators before 4.0
    answer an offset fetch while a commit is pending (docs/lane.md); they still accept Fetch 3.
    """
    async with administrator(bootstrap) as admin:
        node = admin._client.get_random_node()
        versions = (await admin._client._get_conn(node))._versions
    if _DESCRIBE_TRANSACTIONS not in versions:
        return False
    if versions[_FETCH][0] < _FETCH_OF_4_0:
        raise BrokerError(f"The broker at {bootstrap} is a Kafka before 4.0, which is refused.")
    return True


async def existing_partitions(bootstrap: str, topic: str) -> list[int]:
    """Partitions of a topic; none where it is not there."""
    async with administrator(bootstrap) as admin:
        # asking for a topic that is not there would make it, with the broker's own settings
        if topic not in await admin.list_topics():
            return []
        described = await admin.describe_topics([topic])
        return [p["partition"] for t in described for p in t["partitions"]]


async def found_partitions(
    admin: AIOKafkaAdminClient, names: Collection[str]
) -> dict[str, list[int]]:
    """Partitions of those topics that are there and can be read."""
    # asking for a topic that is not there would make it, with the broker's own settings
    there = set(await admin.list_topics()).intersection(names)
    described = await admin.describe_topics(list(there)) if there else []
    return {
        t["topic"]: sorted(p["partition"] for p in t["partitions"])
        for t in described
        if not t["error_code"] and t["partitions"]
    }


async def partitions_of(bootstrap: str, *names: str) -> dict[str, list[int]]:
    """Partitions of topics; waits up to CONNECT_S for new ones to be known.

    Asked by an admin client: a consumer's cached metadata does not learn of new topics.
    """
    async with administrator(bootstrap) as admin:
        deadline = asyncio.get_running_loop().time() + CONNECT_S
        while True:
            found = await found_partitions(admin, names)
            missing = [n for n in names if n not in found]
            if not missing:
                return found
            if asyncio.get_running_loop().time() > deadline:
                raise BrokerError(
                    f"Topic {', '.join(missing)} does not exist at {bootstrap}; "
                    "start a worker or `ingest` first."
                )
            await asyncio.sleep(0.1)


async def parts_of(bootstrap: str, *names: str) -> list[TopicPartition]:
    """All partitions of topics, as `partitions_of` finds them."""
    known = await partitions_of(bootstrap, *names)
    return [TopicPartition(topic, p) for topic, numbers in known.items() for p in numbers]


async def append(
    bootstrap: str, topic: str, value: bytes, key: bytes,
    headers: Sequence[tuple[str, bytes]] = (),
) -> Any:  # fmt: skip
    """Append one record; returns what the broker reports on where it is. NotTakenError."""
    client = await start(producer(bootstrap), bootstrap)
    try:
        return await client.send_and_wait(topic, value, key, headers=[*headers])
    except Exception as error:
        raise NotTakenError(topic, error) from error
    finally:
        await client.stop()
