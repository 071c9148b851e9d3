"""Ids of topics (KIP-516): a topic that was deleted and made again has the same name, another id.

aiokafka's metadata requests have a version without ids; here version 10 is defined and sent.
"""

from __future__ import annotations

import uuid
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

UNKNOWN = ""  # the broker reports no ids (the embedded one)


class _Uuid(AbstractType):  # type: ignore[misc]
    @classmethod
    def encode(cls, value: uuid.UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: Any) -> uuid.UUID:
        return uuid.UUID(bytes=data.read(16))


class _Response(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 3, 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(
            ("node_id", Int32), ("host", CompactString("utf-8")), ("port", Int32),
            ("rack", CompactString("utf-8")), ("tags", TaggedFields),
        )),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        ("topics", CompactArray(
            ("error_code", Int16), ("topic", CompactString("utf-8")), ("topic_id", _Uuid),
            ("is_internal", Boolean),
            ("partitions", CompactArray(
                ("error_code", Int16), ("partition", Int32), ("leader", Int32),
                ("leader_epoch", Int32), ("replicas", CompactArray(Int32)),
                ("isr", CompactArray(Int32)), ("offline_replicas", CompactArray(Int32)),
                ("tags", TaggedFields),
            )),
            ("topic_authorized_operations", Int32), ("tags", TaggedFields),
        )),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )  # fmt: skip


class _RequestV10(RequestStruct):  # type: ignore[misc]
    API_KEY, API_VERSION = 3, 10
    RESPONSE_TYPE = _Response
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(
        ("topics", CompactArray(
            ("topic_id", _Uuid), ("topic", CompactString("utf-8")), ("tags", TaggedFields)
        )),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )  # fmt: skip


class _Metadata(Request[_RequestV10]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_RequestV10]) -> _RequestV10:
        every: list[Any] = [(uuid.UUID(int=0), name, {}) for name in self._topics]
        return request_struct_class(every, False, False, False, {})


async def topic_ids(client: AIOKafkaConsumer | AIOKafkaAdminClient, *names: str) -> dict[str, str]:
    """Id of each existing topic; UNKNOWN: the broker reports none. KafkaError: no answer."""
    inner = getattr(client, "_client", None) or client.client
    answer = await inner.send(inner.get_random_node(), _Metadata([*names]))
    found = {}
    for code, name, id_, *_ in answer.topics:
        if not code:
            found[name] = str(id_) if id_.int else UNKNOWN
    return found
