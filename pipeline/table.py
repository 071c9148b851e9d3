"""`heartline decode`: packets of a file to one CSV a container (docs/files.md)."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.decode import Decoder, Plan, PlanSet
from pipeline.errors import FlightError
from pipeline.packets import PacketReader, Scanned
from schemas.columns import Rejects, Rows
from schemas.mission import Parameter
from schemas.records import PACKETS_HEADERS, RawRecord, encode_packets

BATCH = 2048


def write_tables(
    scanned: Scanned, plans: PlanSet, out: Path, raw: bool, many: bool, trailing: bool
) -> tuple[dict[str, int], Rejects]:
    """Rows written a container, and packets refused. FlightError when several need a folder."""
    decoder, reader = Decoder(plans, trailing), PacketReader()
    files: dict[int, Any] = {}
    counts: dict[str, int] = {}
    rejects = []
    try:
        for first in range(0, len(scanned.start), BATCH):
            part = slice(first, first + BATCH)
            record = _record(scanned, part)
            batch, refused = reader.feed([record])
            decoded = decoder.feed(batch)
            rejects += [refused, decoded.rejects]
            for rows in decoded.rows:
                plan = plans.plans[rows.container]
                if rows.container not in files:
                    if files and not many:
                        raise FlightError(
                            f"{out}: the file holds several containers "
                            f"({plan.container} and others): give a folder, --out {out.stem}/."
                        )
                    files[rows.container] = _open(out, plan, many)
                files[rows.container][1].writerows(_cells(rows, plan, raw))
                counts[plan.container] = counts.get(plan.container, 0) + len(rows.packet)
    finally:
        for file, _ in files.values():
            file.close()
    return counts, Rejects.concatenate(rejects)


def _record(scanned: Scanned, part: slice) -> RawRecord:
    pairs = zip(scanned.start[part].tolist(), scanned.length[part].tolist(), strict=True)
    packets = b"".join(scanned.data[s : s + n].tobytes() for s, n in pairs)
    count = len(scanned.start[part])
    return RawRecord(0, encode_packets([0] * count, packets), PACKETS_HEADERS)


def _open(out: Path, plan: Plan, many: bool) -> tuple[Any, Any]:
    path = out / f"{plan.container}.csv" if many else out
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("w", newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(plan.names)
    return file, writer


def _cells(rows: Rows, plan: Plan, raw: bool) -> zip[tuple[Any, ...]]:
    columns, wide = [], 0
    for i, field in enumerate(plan.fields):
        if field.bits > 64:
            size = -(-field.bits // 8)
            columns.append([row.tobytes().hex() for row in rows.wide[:, wide : wide + size]])
            wide += size
        elif raw:
            columns.append(rows.raw[:, i].tolist())
        else:
            columns.append(_engineering(rows, i, field.parameter))
    return zip(*columns, strict=True)


def _engineering(rows: Rows, i: int, parameter: Parameter) -> list[Any]:
    """Values as people read them: labels, whole numbers without a point, floats exactly."""
    kind = parameter.type
    values = rows.eng[:, i]
    if kind.kind == "binary":
        size = -(-kind.encoding.bits // 8)
        return [int(x).to_bytes(size, "big").hex() for x in rows.raw[:, i]]
    if kind.labels:
        labels = {float(value): label for value, label in kind.labels}
        return [labels.get(x, int(x)) for x in values.tolist()]
    if kind.kind == "integer" and not kind.calibrator:
        return _integers(rows, i, kind.encoding)
    return [repr(x) for x in values.tolist()]


def _integers(rows: Rows, i: int, encoding: Any) -> list[Any]:
    if not hasattr(encoding, "signed"):  # an integer type on a float encoding
        return [repr(x) for x in rows.eng[:, i].tolist()]
    words = rows.raw[:, i]
    if not encoding.signed:
        return words.tolist()  # type: ignore[no-any-return]
    shift = np.uint64(64 - encoding.bits)
    return ((words << shift).view(np.int64) >> np.int64(64 - encoding.bits)).tolist()  # type: ignore[no-any-return]
