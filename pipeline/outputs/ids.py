"""Ids of outputs: `telemetry.raw-PARTITION-OFFSET-n`, the nth output of one record of the input."""

from __future__ import annotations

import re
from typing import NamedTuple

from schemas import topics

_ID = re.compile(re.escape(topics.RAW) + r"-([0-9]{1,9})-([0-9]{1,19})-([0-9]{1,9})")


class Place(NamedTuple):
    """Where in the input an output belongs; of one partition, places are in order."""

    partition: int
    offset: int
    n: int


def id_of(partition: int, offset: int, n: int) -> str:
    return f"{topics.RAW}-{partition}-{offset}-{n}"


def place_of(id_: object) -> Place | None:
    """The place that an id gives; None for anything that is not an id, whoever wrote it."""
    found = _ID.fullmatch(id_) if isinstance(id_, str) else None
    return None if found is None else Place(*map(int, found.groups()))
