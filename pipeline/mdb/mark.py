"""A mark beside packets that names the database they were made with.

Packets of two imports may share APIDs and lengths, and nothing else. Decoded with the database of
the other import, they give numbers without meaning. So the import writes a mark of its packet
layout beside the packets, and reading them with another database is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import orjson

from pipeline.errors import FlightError
from schemas.mission import MissionDatabase

SUFFIX = ".mission.json"


def mark_path(packets: Path) -> Path:
    return packets.with_name(packets.name + SUFFIX)


def layout_sha256(mdb: MissionDatabase) -> str:
    """Hash of what determines how bits become values; units, limits, descriptions are not in it."""
    containers = [
        (c.name, c.abstract, c.base, repr(c.restriction), repr(c.entries))
        for c in mdb.containers.values()
    ]
    parameters = [
        (p.name, p.type.kind, repr(p.type.encoding), repr(p.type.dimensions), repr(p.type.members))
        for p in mdb.parameters.values()
    ]
    return hashlib.sha256(orjson.dumps([containers, parameters])).hexdigest()


def leave_mark(packets: Path, mdb: MissionDatabase) -> None:
    told = {"mission": mdb.name, "layout_sha256": layout_sha256(mdb)}
    mark_path(packets).write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))


def heed_marks(packets: Sequence[Path], mdb: MissionDatabase) -> None:
    """FlightError where a file's mark is of another database."""
    for path in packets:
        mark = mark_path(path)
        if not mark.is_file():
            continue
        try:
            told = orjson.loads(mark.read_bytes())
            mission, layout = str(told["mission"]), told["layout_sha256"]
        except (OSError, ValueError, TypeError, KeyError):
            raise FlightError(
                f"{mark}: is no mark of a mission; remove it, or make it anew."
            ) from None
        if layout != layout_sha256(mdb):
            raise FlightError(
                f"{path}: was made for the mission {mission!r}, and {mdb.path} describes other "
                f"packets. Give that mission's database, or remove {mark.name} if you know better."
            )
