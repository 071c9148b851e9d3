"""Topics on Apache Kafka: made, compared, mended; what breaks the promise is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from click.testing import CliRunner, Result

from agents.broker.declared import ALL_TOPICS, ensure_topics, make, plan
from agents.broker.kafka import administrator, partitions_of
from agents.cli import main
from agents.host.errors import BrokerError
from schemas import topics
from tests.integration.kafka_cluster import kafka
from tests.integration.system import wait_until

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with kafka(tmp_path_factory.mktemp("kafka")) as address:
        yield address


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["topics", *arguments])


async def change(bootstrap: str, topic: str, **settings: str) -> None:
    async with administrator(bootstrap) as admin:
        named = {k.replace("_", "."): v for k, v in settings.items()}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, named)])
        async with asyncio.timeout(20):  # the controller answers before the broker has heard it
            while not named.items() <= (await _settings(admin, topic)).items():
                await asyncio.sleep(0.05)


async def _settings(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    every = [entry for a in answers for *_, entries in a.resources for entry in entries]
    return {entry[0]: entry[1] for entry in every}


def test_plan_apply_and_again(bootstrap: str) -> None:
    where = ("--bootstrap", bootstrap, "--namespace", "a", "--partitions", "3")
    first = run("plan", *where)
    assert first.exit_code == 1
    assert first.output.count("+ a.telemetry.") == len(ALL_TOPICS)
    assert run("apply", *where).exit_code == 0
    again = run("plan", *where)
    assert (again.exit_code, again.output) == (0, "Every topic is as it should be.\n")
    raw = f"a.{topics.RAW}"
    asyncio.run(change(bootstrap, raw, cleanup_policy="compact", retention_ms="60000"))
    wrong = run("plan", *where)
    assert wrong.exit_code == 1
    assert f"! {raw}: cleanup.policy is compact, should be delete" in wrong.output
    with pytest.raises(BrokerError, match="`heartline topics apply` mends it"):
        asyncio.run(ensure_topics(bootstrap, "a", 3))
    assert run("apply", *where).exit_code == 0
    wait_until(lambda: run("plan", *where).exit_code == 0, 20, lambda: run("plan", *where).output)
    asyncio.run(ensure_topics(bootstrap, "a", 3))


def test_more_room_is_as_good_and_less_is_refused(bootstrap: str) -> None:
    asyncio.run(ensure_topics(bootstrap, "b", 1))
    samples = f"b.{topics.SAMPLES}"
    asyncio.run(change(bootstrap, samples, max_message_bytes="20000000"))
    assert not asyncio.run(plan(bootstrap, "b", 1)).differences
    asyncio.run(change(bootstrap, samples, max_message_bytes="1000000"))
    with pytest.raises(BrokerError, match=r"max\.message\.bytes is 1000000"):
        asyncio.run(ensure_topics(bootstrap, "b", 1))


def test_a_twin_gets_as_many_partitions(bootstrap: str) -> None:
    async def some(name: str, partitions: int) -> None:
        async with administrator(bootstrap) as admin:
            await make(admin, [NewTopic(name, partitions, 1)])
        await partitions_of(
            bootstrap, name
        )  # the controller answers before the broker has heard it

    asyncio.run(some(f"c.{topics.RAW}", 5))
    found = asyncio.run(plan(bootstrap, "c", 1))
    (state,) = [t for t in found.missing if t.name == f"c.{topics.STATE}"]
    assert state.num_partitions == 5
    asyncio.run(some(f"d.{topics.RAW}", 2))
    asyncio.run(some(f"d.{topics.STATE}", 3))
    with pytest.raises(BrokerError, match="partitions is 3, should be 2"):
        asyncio.run(ensure_topics(bootstrap, "d", 1))


def test_the_cluster_command(tmp_path: Path) -> None:
    folder = ("--folder", str(tmp_path / "none"))
    for command in ("status", "stop", "logs"):
        done = CliRunner().invoke(main, ["kafka", command, *folder])
        assert done.exit_code == 1
        assert "heartline kafka start" in done.output
