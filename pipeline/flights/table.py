"""`heartline decode`: packets of a file to one CSV a container (docs/files.md)."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from pipeline.decode import Decoder, Field, Plan, PlanSet
from pipeline.decode.exact import exact_times
from pipeline.decode.places import bytes_of, text_of
from pipeline.errors import FlightError
from pipeline.outputs.alerts import iso
from pipeline.outputs.refusals import Refusals
from pipeline.packets import PacketReader, Reassembler, Scanned
from schemas.columns import ABSENT, I8, NEVER, PacketBatch, Reason, Rows
from schemas.mission import IntegerEncoding, StringEncoding
from schemas.records import PACKETS_HEADERS, RawRecord, encode_packets

BATCH = 2048
# to a spreadsheet, a cell that begins like this is a formula (OWASP, "CSV Injection")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(slots=True)
class Written:
    """rows: by container. refused: packets. skipped: bytes by reason.

    pending: bytes of segments whose packet the input does not complete. gaps: in sequence counts.
    missing: packets in these gaps.
    """

    rows: Counter[str] = field(default_factory=Counter)
    refused: Refusals = field(default_factory=Refusals)
    skipped: Counter[Reason] = field(default_factory=Counter)
    ground_headers: int = 0
    pending: int = 0
    gaps: int = 0
    missing: int = 0

    def skip(self, scanned: Scanned) -> None:
        for content, reason in zip(scanned.skip_bytes, scanned.skip_reason, strict=True):
            self.skipped[reason] += len(content)


def write_tables(
    scans: Iterable[Scanned], plans: PlanSet, out: Path, raw: bool, many: bool, trailing: bool,
    segmented_apids: Sequence[int] = (),
) -> Written:  # fmt: skip
    """What was written and refused. FlightError when several containers need a folder.

    A file gets its final name only when it is complete.
    """
    written = Written()
    files: dict[int, _File] = {}
    try:
        for decoded in decode_all(scans, plans, written, trailing, segmented_apids):
            for rows in decoded:
                plan = plans.plans[rows.container]
                if rows.container not in files:
                    if files and not many:
                        raise FlightError(
                            f"{out}: the file holds several containers "
                            f"({plan.container} and others): give a folder, --out {out.stem}/."
                        )
                    files[rows.container] = _File(out, plan, many)
                files[rows.container].writer.writerows(cells(rows, plans, raw))
                written.rows[plan.container] += len(rows.packet)
    except BaseException:
        for file in files.values():
            file.drop()
        raise
    for file in files.values():
        file.finish()
    return written


def decode_all(
    scans: Iterable[Scanned], plans: PlanSet, written: Written, trailing: bool = False,
    segmented_apids: Sequence[int] = (),
) -> Iterator[list[Rows]]:  # fmt: skip
    """Rows of the scans' packets, BATCH or fewer at once, as the chain decodes them; what is
    refused on the way goes to `written`."""
    decoder, reader = Decoder(plans, trailing), PacketReader()
    reassembly, names = Reassembler(segmented_apids), [p.container for p in plans.plans]
    for batch in _batches(scans, reader, written):
        whole, lost = reassembly.feed(batch)
        written.refused.add(lost)
        decoded = decoder.feed(whole)
        written.refused.add(decoded.rejects, decoded.unread, names, decoded.excess)
        yield decoded.rows
    written.gaps, written.missing = (reader.counters[k] for k in ("gaps", "missing"))
    written.pending = reassembly.pending


def _batches(
    scans: Iterable[Scanned], reader: PacketReader, written: Written
) -> Iterator[PacketBatch]:
    for scanned in scans:
        written.ground_headers += scanned.header_bytes
        written.skip(scanned)
        for first in range(0, len(scanned.start), BATCH):
            batch, refused = reader.feed([_record(scanned, slice(first, first + BATCH))])
            written.refused.add(refused)
            yield batch


class _Lines:
    """A text file whose lines end in \\n, of a writer that ends them in \\r\\n."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> int:
        return self._file.write(f"{line[:-2]}\n")


class _File:
    """A CSV being written, under a temporary name beside the final one."""

    def __init__(self, out: Path, plan: Plan, many: bool) -> None:
        self._path = out / f"{plan.file_name}.csv" if many else out
        self._part = self._path.with_name(self._path.name + ".part")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._part.open("w", newline="", encoding="utf-8")
        # cells with a character of the line end are quoted: \r alone would begin a row, too
        self.writer = csv.writer(_Lines(self._file), lineterminator="\r\n")
        self.writer.writerow([guarded(name) for name in plan.names])

    def drop(self) -> None:
        self._file.close()
        self._part.unlink()

    def finish(self) -> None:
        self._file.close()
        self._part.replace(self._path)


def _record(scanned: Scanned, part: slice) -> RawRecord:
    pairs = zip(scanned.start[part].tolist(), scanned.length[part].tolist(), strict=True)
    packets = b"".join(scanned.data[s : s + n].tobytes() for s, n in pairs)
    count = len(scanned.start[part])
    return RawRecord(0, encode_packets([0] * count, packets), PACKETS_HEADERS)


def cells(rows: Rows, plans: PlanSet, raw: bool) -> zip[tuple[Any, ...]]:
    """Values as people read them, row by row; an empty cell is not in the packet."""
    plan = plans.plans[rows.container]
    times = {} if raw else exact_times(plans, rows)
    columns = (column_cells(rows, plan, i, raw, "", times.get(i)) for i in range(len(plan.fields)))
    texts = (_text(field, raw) for field in plan.fields)
    safe = ([guarded(c) for c in x] if text else x for x, text in zip(columns, texts, strict=True))
    return zip(*safe, strict=True)


def guarded(cell: Any) -> Any:
    """Put an apostrophe before a text that would begin a formula; return all else unchanged."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _text(field: Field, raw: bool) -> bool:
    """Whether its cells are text from outside. (Floats are strings too, but may begin with `-`.)"""
    kind = field.parameter.type
    return isinstance(kind.encoding, StringEncoding) or (bool(kind.labels) and not raw)


def column_cells(
    rows: Rows, plan: Plan, i: int, raw: bool, absent: str | None, times: I8 | None = None
) -> list[Any]:
    """One column of the rows; `absent` replaces what is not in the packet. times: of an absolute
    time, in ns; written as ISO 8601 to the ns, or "invalid" if it is not a valid time."""
    field = plan.fields[i]
    if times is not None:
        column = [iso(ns) if ns != NEVER else "invalid" for ns in times.tolist()]
    elif field.wide:
        column = [_wide(rows, int(place), field) for place in rows.raw[:, i]]
    elif raw:
        column = rows.raw[:, i].tolist()
    else:
        column = _engineering(rows, i, field)
    if plan.static:
        return column
    gone = rows.quality[:, i] == ABSENT
    return [absent if out else cell for out, cell in zip(gone, column, strict=True)]


def _wide(rows: Rows, place: int, field: Field) -> Any:
    content, encoding = bytes_of(rows.data, place), field.parameter.type.encoding
    if isinstance(encoding, StringEncoding):
        return text_of(content, encoding)
    if isinstance(encoding, IntegerEncoding):
        return _wide_integer(content, encoding)
    return content.hex()


def _wide_integer(content: bytes, encoding: IntegerEncoding) -> int:
    order = "little" if encoding.little_endian else "big"
    value = int.from_bytes(content, order) >> (-encoding.bits % 8)  # type: ignore[arg-type]
    top = 1 << (encoding.bits - 1)
    return (value ^ top) - top if encoding.signed else value


def _engineering(rows: Rows, i: int, field: Field) -> list[Any]:
    """Labels, whole numbers without a point, floats exactly."""
    kind = field.parameter.type
    values = rows.eng[:, i]
    if kind.kind == "binary":
        size = -(-field.bits // 8)
        return [int(x).to_bytes(size, "big").hex() for x in rows.raw[:, i]]
    if kind.labels:
        labels = {float(value): label for value, label in kind.labels}
        return [labels.get(x, int(x) if np.isfinite(x) else x) for x in values.tolist()]
    plain = kind.kind == "integer" and kind.calibrator is None and not kind.context_calibrators
    if plain and isinstance(kind.encoding, IntegerEncoding) and not field.derived:
        return _integers(rows, i, kind.encoding)
    return [repr(x) for x in values.tolist()]


def _integers(rows: Rows, i: int, encoding: IntegerEncoding) -> list[Any]:
    words = rows.raw[:, i]
    if encoding.coding == "unsigned":
        return words.tolist()  # type: ignore[no-any-return]
    if encoding.signed:
        shift = np.uint64(64 - encoding.bits)
        return ((words << shift).view(np.int64) >> np.int64(64 - encoding.bits)).tolist()  # type: ignore[no-any-return]
    return [int(x) if np.isfinite(x) else x for x in rows.eng[:, i].tolist()]
