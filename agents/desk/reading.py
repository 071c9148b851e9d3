"""Records of telemetry.alarms and telemetry.desk onto a board."""

from __future__ import annotations

import logging
import time

from aiokafka import ConsumerRecord

from agents.desk.board import Board
from agents.observe.logs import BROKER
from agents.readers.tail import follow
from schemas import topics
from schemas.desk import decode_desk

log = logging.getLogger("heartline.desk")


def take(board: Board, topic: str, record: ConsumerRecord[bytes, bytes], now_ns: int) -> None:
    """What is none of ours is counted and said in the log."""
    if topic == topics.ALARMS:
        board.take_alarm(record.key or b"", record.value, now_ns)
        return
    try:
        board.take(decode_desk(record.value))
    except ValueError as error:
        board.refused += 1
        log.warning("telemetry.desk, offset %d: %s", record.offset, error, extra=BROKER)


async def read_board(bootstrap: str, namespace: str) -> Board:
    """The board as the topics have it now. BrokerError, KafkaError."""
    board, names = Board(), (topics.ALARMS, topics.DESK)
    async for topic, record in follow(bootstrap, namespace, names, True, True):
        take(board, topic, record, time.time_ns())
    return board
