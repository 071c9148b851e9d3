"""What records name by its hash: schemas of samples and statistics, the fingerprint of alerts.

Each stands whole on a compacted topic, under the SHA-256 of its bytes (docs/outputs.md). A source
publishes its definitions with its first record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import orjson

from pipeline.outputs.arrow import Form
from pipeline.outputs.pending import Pending, Rank
from schemas import topics
from schemas.columns import Output
from schemas.state import Stateful

SAMPLES, STATISTICS, FINGERPRINT = "samples", "statistics", "fingerprint"
NAMED = "definition"  # header of a record of columns: the hash of its definition


class Definition(NamedTuple):
    """kind: samples and statistics are the beginning of an Arrow stream, a fingerprint is JSON."""

    kind: str
    sha256: str
    value: bytes


def of_form(kind: str, form: Form) -> Definition:
    return Definition(kind, form.sha256, form.definition)


def of_fingerprint(fingerprint: Mapping[str, str]) -> Definition:
    value = orjson.dumps(fingerprint, option=orjson.OPT_SORT_KEYS)
    return Definition(FINGERPRINT, hashlib.sha256(value).hexdigest(), value)


def named_by(topic: str, headers: Iterable[tuple[str, bytes]]) -> str:
    """The definition that a record's header names; of a definition, its kind. Empty: none."""
    header = "kind" if topic == topics.DEFINITIONS else NAMED
    return dict(headers).get(header, b"").decode("ascii", "replace")


def columns_output(topic: str, source: str, form: Form, value: bytes, id_: str) -> Output:
    """A record batch as a record, which names its definition."""
    named = ((NAMED, form.sha256.encode()),)
    return Output(topic, id_, source.encode(), value, headers=named)


class Definitions(Stateful):
    """State: whether they were published."""

    def __init__(self, every: Iterable[Definition]) -> None:
        self.every = tuple({d.sha256: d for d in every}.values())
        self.state = {"published": np.zeros(1, np.uint8)}

    def pending(self) -> Iterator[Pending]:
        """Before all that the first record of a source causes; nothing from then on."""
        if self.state["published"][0]:
            return
        self.state["published"][0] = 1
        for i, one in enumerate(self.every):
            yield Pending(-2, 0, Rank.DEFINITION, (i,), partial(definition_output, one))


def definition_output(definition: Definition, id_: str) -> Output:
    return Output(
        topics.DEFINITIONS, id_, definition.sha256.encode(), definition.value,
        headers=(("kind", definition.kind.encode()),),
    )  # fmt: skip
