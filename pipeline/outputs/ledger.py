"""The ledger: every alert holds the hash of the one before it on its topic (docs/audit.md).

    entry_n = (n, SHA-256 of the bytes of alert n-1), 32 zero bytes for the first

If an alert is changed, removed or inserted later, the alert after it shows it. The last alert of a
topic is protected only by the head, the hash that the next alert would hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from pipeline.outputs.alerts import encode_alert
from schemas import topics
from schemas.columns import Output
from schemas.state import Stateful

NOTHING = bytes(32)  # before the first alert


class Ledger(Stateful):
    """One book for each topic of alerts, of one source."""

    def __init__(self) -> None:
        books = len(topics.ALERTS_OF_ALL)
        self.state = {"count": np.zeros(books, np.int64), "head": np.zeros((books, 32), np.uint8)}

    def enter(self, outputs: Iterable[tuple[int, Output]]) -> list[tuple[int, Output]]:
        """Add the ledger entry to every alert and encode it, as it comes; other outputs stay as
        they are."""
        count = self.state["count"].tolist()
        head = [bytes(one).hex() for one in self.state["head"]]
        done = []
        for record, output in outputs:
            if output.draft is not None:
                book = topics.ALERTS_OF_ALL.index(output.topic)
                output.draft["ledger"] = {"number": count[book], "before_sha256": head[book]}
                # a dictionary that is kept costs more memory, and so more time, than all the rest
                output.value, output.draft = encode_alert(output.draft), None
                count[book] += 1
                head[book] = hashlib.sha256(output.value).hexdigest()
            done.append((record, output))
        self.state["count"][:] = count
        self.state["head"].flat[:] = np.frombuffer(bytes.fromhex("".join(head)), np.uint8)
        return done


@dataclass(slots=True)
class Book:
    """What was read of one ledger. hashes: of each alert since the last seam, by its number.

    seams: alerts at which the code, settings or mission database changed and the state was computed
    again. Alerts before a seam are verified up to it, but not across it.
    """

    hashes: dict[int, bytes] = field(default_factory=dict)
    last: int = -1
    alerts: int = 0
    repeats: int = 0
    seams: list[str] = field(default_factory=list)
    made_by: Any = None

    @property
    def head(self) -> str:
        return self.hashes[self.last].hex() if self.hashes else NOTHING.hex()


class Audit:
    """Reads alerts in topic order and reports those that do not follow from those before."""

    def __init__(self) -> None:
        self.books: dict[tuple[str, str], Book] = {}  # by topic and source

    def read(self, topic: str, value: bytes) -> Iterator[str]:
        """Findings about one alert; none where it follows from those before it."""
        try:
            alert = orjson.loads(value)
            name, source, entry = alert["id"], alert["source"], alert["ledger"]
            number, before = entry["number"], bytes.fromhex(entry["before_sha256"])
            whole = type(number) is int and 0 <= number < 2**63 and len(before) == 32
            if not (whole and isinstance(source, str) and isinstance(name, str)):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            yield f"{topic}: no alert with a ledger's entry: {value[:60]!r}"
            return
        book = self.books.setdefault((topic, source), Book())
        own, other = hashlib.sha256(value).digest(), alert.get("fingerprint") != book.made_by
        if book.hashes.get(number) == own:
            book.repeats += 1  # written again after a crash, byte for byte
            return
        found = [*self._follow(book, number, before)]
        if found and other:
            book.seams.append(name)
            book.hashes.clear()
        else:
            yield from (f"{topic}, alert {name}: {what}" for what in found)
        book.hashes[number], book.last, book.made_by = own, number, alert.get("fingerprint")
        book.alerts += 1

    def _follow(self, book: Book, number: int, before: bytes) -> Iterator[str]:
        known = book.hashes.get(number - 1, None if number else NOTHING)
        if number in book.hashes:
            yield f"number {number} stands here a second time, with other bytes"
        elif book.hashes and number != book.last + 1:
            yield f"number {number} comes after number {book.last}"
        if known is not None and known != before:
            yield f"alert number {number - 1} before it is not the one that was written"
