"""Dead letters: records that could not be read, unchanged, so that the cause can be found.

The headers have the names of Kafka Connect's dead letter queues, which tools know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.lane.chunk import Chunk
from schemas import topics
from schemas.columns import Output, Reason

PREFIX = "__connect.errors."
WORDS = {
    Reason.UNKNOWN_KIND.word: "header kind or version is not one that this version reads",
    Reason.MALFORMED_RECORD.word: "lengths inside the record do not agree with its size",
    Reason.UNKNOWN_SOURCE.word: "no mission is given for the source that its key names",
    Reason.BAD_CONTROL.word: "the control record says nothing, or of nothing that there is",
    Reason.UNSIGNED_CONTROL.word: "nobody whose key is known vouches for the control record",
}
MOST_BYTES = topics.MOST_BYTES - 2**20  # of a letter's value: headers and framing need room too
MIXED = 200  # records after which a lane checks its share of dead letters
MOST = 0.9  # above this share of dead letters, the input as a whole is wrong


class WrongInput(Exception):  # noqa: N818 - its message is shown to users
    """So many dead letters that the configuration is wrong, not the data."""


@dataclass(slots=True)
class Judge:
    """Share of dead letters among a lane's last records. WrongInput beyond MOST."""

    records: int = 0
    dead: int = 0

    def count(self, records: int, letters: Sequence[Output]) -> None:
        # a wrong key is the sender's error: other sources continue (`agents.lane.strangers`)
        mine = [o for o in letters if _reason(o) != Reason.UNKNOWN_SOURCE.word]
        self.records += records
        self.dead += len(mine)
        if self.records < MIXED:
            return
        if self.dead > MOST * self.records:
            reasons = {dict(o.headers)[f"{PREFIX}exception.message"].decode() for o in mine}
            raise WrongInput(
                f"{self.dead} of the last {self.records} records are dead letters "
                f"({'; '.join(sorted(reasons))}): is this the right topic?"
            )
        self.records = self.dead = 0


def _reason(letter: Output) -> str:
    return dict(letter.headers)[f"{PREFIX}exception.class.name"].decode()


def dead_letters(outputs: Sequence[Output], chunk: Chunk) -> list[Output]:
    """One letter for each record that, by its reject, could not be read as a whole."""
    found = []
    for reject in outputs:
        told = reject.event if reject.topic == topics.REJECTS else None
        if told and told["reason"] in WORDS:
            i = int(np.searchsorted(chunk.records.offset, told["offset"]))
            if i < len(chunk) and chunk.records.offset[i] == told["offset"]:
                found.append(_letter(reject.id, told["reason"], chunk, i))
    return found


def _letter(id_: str, reason: str, chunk: Chunk, i: int) -> Output:
    record = chunk.records.one(i)
    told = {
        "topic": topics.RAW, "partition": str(chunk.partition), "offset": str(record.offset),
        "connector.name": "heartline", "task.id": str(chunk.partition),
        "stage": "VALUE_CONVERTER", "exception.class.name": reason,
        "exception.message": WORDS[reason],
    }  # fmt: skip
    value = record.value
    if len(value) > MOST_BYTES:  # a record received compressed may exceed our own limit
        told["cut.from.bytes"] = str(len(value))
    headers = [*record.headers, *((PREFIX + k, v.encode()) for k, v in told.items())]
    return Output(
        topics.DEAD_LETTERS, id_, chunk.keys[chunk.key[i]], value[:MOST_BYTES],
        headers=tuple(headers), timestamp_ms=max(int(chunk.stamp_ms[i]), 0),
    )  # fmt: skip
