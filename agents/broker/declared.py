"""Topics as this version needs them: which are missing or differ, and what breaks the promise.

A worker makes missing topics and refuses to start if a difference breaks the promise;
`heartline topics plan` reports, `heartline topics apply` repairs what can be changed in place.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from agents.broker.kafka import administrator, partitions_of
from agents.host.errors import BrokerError
from schemas import topics

ALL_TOPICS = tuple(topics.BY_NAME)
# a lane's state has the partition number of its input
PARTITIONED = tuple(t.name for t in topics.TOPICS if t.partitioned)
REPLICAS = 3  # or as many as there are brokers
SETTINGS = {t.name: dict(t.settings) for t in topics.TOPICS}
# settings in which a difference breaks the promise
_VITAL = ("cleanup.policy", "max.message.bytes", "message.timestamp.type", "retention.ms")


@dataclass(frozen=True, slots=True)
class Difference:
    """there: actual; wanted: required. vital: breaks the promise. fixed: no change in place."""

    topic: str
    setting: str
    there: str
    wanted: str
    vital: bool = False
    fixed: bool = False

    def __str__(self) -> str:
        return f"{self.topic}: {self.setting} is {self.there}, should be {self.wanted}"


@dataclass(slots=True)
class Plan:
    """missing: topics to be made; differences: of existing topics."""

    missing: list[NewTopic] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)


async def plan(bootstrap: str, namespace: str, partitions: int) -> Plan:
    """What `apply` would do."""
    async with administrator(bootstrap) as admin:
        return await _plan(admin, namespace, partitions)


async def apply(bootstrap: str, namespace: str, partitions: int) -> Plan:
    """Make what is missing and set what differs; what cannot be changed in place is left."""
    async with administrator(bootstrap) as admin:
        found = await _plan(admin, namespace, partitions)
        await make(admin, found.missing)
        for name in {d.topic for d in found.differences if not d.fixed}:
            logical = name.removeprefix(f"{namespace}.") if namespace else name
            resource = ConfigResource(ConfigResourceType.TOPIC, name, SETTINGS[logical])
            response = await admin.alter_configs([resource])
            for answer in response:
                for code, message, *_ in answer.resources:
                    if code:
                        raise BrokerError(f"Topic {name} cannot be changed: {message}.")
        return found


async def _plan(admin: AIOKafkaAdminClient, namespace: str, partitions: int) -> Plan:
    there = set(await admin.list_topics())
    replicas = min(REPLICAS, len((await admin.describe_cluster())["brokers"]))
    found = Plan()
    known = [n for n in ALL_TOPICS if topics.on_wire(n, namespace) in there]
    counts = await _partitions(admin, [topics.on_wire(n, namespace) for n in known])
    # a topic that is missing beside its twin gets the twin's number of partitions
    twins = [counts[topics.on_wire(n, namespace)] for n in PARTITIONED if n in known]
    wanted = twins[0] if twins else partitions
    for name in ALL_TOPICS:
        wire = topics.on_wire(name, namespace)
        if wire not in there:
            number = wanted if name in PARTITIONED else 1
            found.missing.append(NewTopic(wire, number, replicas, topic_configs=SETTINGS[name]))
    for name in known:
        found.differences += await _differences(admin, topics.on_wire(name, namespace), name)
    raw, state = (topics.on_wire(n, namespace) for n in PARTITIONED)
    if raw in counts and state in counts and counts[raw] != counts[state]:
        found.differences.append(
            Difference(state, "partitions", str(counts[state]), str(counts[raw]), True, True)
        )
    return found


async def _partitions(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, int]:
    described = await admin.describe_topics(names) if names else []
    return {t["topic"]: len(t["partitions"]) for t in described}


async def _differences(admin: AIOKafkaAdminClient, wire: str, name: str) -> list[Difference]:
    resource = ConfigResource(ConfigResourceType.TOPIC, wire)
    there: dict[str, str] = {}
    for answer in await admin.describe_configs([resource]):
        for _, _, _, _, entries in answer.resources:
            there |= {entry[0]: entry[1] for entry in entries}
    return [
        Difference(wire, setting, there[setting], wanted, setting in _VITAL)
        for setting, wanted in SETTINGS[name].items()
        if setting in there and not _same(setting, there[setting], wanted)
    ]


def _same(setting: str, there: str, wanted: str) -> bool:
    """Whether a value will do; a larger size limit than needed does."""
    if setting == "max.message.bytes":
        return int(there) >= int(wanted)
    return there == wanted


async def make(admin: AIOKafkaAdminClient, missing: list[NewTopic]) -> None:
    """Make topics; one that somebody else has just made is fine."""
    if not missing:
        return
    response = await admin.create_topics(missing)
    for name, code, message in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise BrokerError(f"Topic {name} cannot be made: {message or error.__name__}.")


async def ensure_topics(
    bootstrap: str, namespace: str, partitions: int, names: Collection[str] = ALL_TOPICS
) -> None:
    """Make missing topics of these. BrokerError if a difference of existing ones breaks the
    promise.

    The embedded broker has hardly any settings: there only the partitions are checked.
    """
    wire = {topics.on_wire(name, namespace) for name in names}
    async with administrator(bootstrap) as admin:
        found = await _plan(admin, namespace, partitions)
        refuse_vital(found)
        await make(admin, [topic for topic in found.missing if topic.name in wire])
    await partitions_of(bootstrap, *wire)


def refuse_vital(found: Plan) -> None:
    """BrokerError lists the differences that break the promise."""
    vital = [d for d in found.differences if d.vital]
    if vital:
        fixed = any(d.fixed for d in vital)
        mend = (
            "Make the topics anew, or take another --namespace."
            if fixed
            else "`heartline topics apply` mends it."
        )
        raise BrokerError(f"{'; '.join(map(str, vital))}. {mend}")
