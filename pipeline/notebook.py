"""For notebooks: files to columns, a flight through the chain, alerts back (docs/notebook.md).

Columns are Arrow tables: `to_pandas()` makes a data frame, `polars.from_arrow` takes them without
a copy, and a column without nulls is a numpy array without one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from pyarrow import ipc

from pipeline.chain import Chain
from pipeline.decode import Plan, compile_plans
from pipeline.errors import FlightError
from pipeline.flights.run import load_recording, run_flight
from pipeline.flights.table import Written, column_cells, decode_all
from pipeline.mdb import load_xtce
from pipeline.mission.apids import known_apids
from pipeline.mission.folder import Mission, load_mission
from pipeline.outputs.arrow import read_record
from pipeline.outputs.definitions import NAMED
from pipeline.outputs.statistics import read_statistics
from pipeline.packets import Scanner
from pipeline.packets.files import scans
from schemas import topics
from schemas.columns import Reason, Rows
from schemas.settings import TimeSettings

PathLike = str | Path


class Tables(dict[str, pa.Table]):
    """Tables by container, and counts of what is in none of them; printing it shows both.

    refused: packets by reason. skipped: bytes by reason (words of schemas.columns.Reason).
    """

    def __init__(self, tables: dict[str, pa.Table], written: Written) -> None:
        super().__init__(tables)
        self.refused = {Reason(r).word: n for r, n in sorted(written.refused.total().items())}
        self.skipped = _by_word(written.skipped)

    def __repr__(self) -> str:
        rows = [f"{name}: {table.num_rows} rows" for name, table in self.items()]
        return "\n".join([*rows, *_lost(self.skipped, self.refused)])


@dataclass(slots=True)
class Flown:
    """What a flight gave. samples: a table a container: time_ns, a column a parameter, quality
    (docs/outputs.md). statistics: as their JSON records have them.

    skipped: bytes of the files that are in no packet, by reason; rejects report the rest.
    """

    alerts: list[dict[str, Any]] = field(default_factory=list)
    statistics: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    samples: dict[str, pa.Table] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)


def decode(
    paths: PathLike | Sequence[PathLike], xtce: PathLike, root_container: str = ""
) -> Tables:
    """Packets of files as one table a container, columns in entry order by parameter name.

    Numbers are f8, times ns since 1970 in `time_ns`; labels, texts and binaries are strings.
    What is in no table is counted in `refused` and `skipped` of the result.
    Raises MissionError for an XTCE that is not supported, FlightError where nothing is decoded.
    """
    database = load_xtce(xtce, root_container)
    plans = compile_plans(database, TimeSettings())
    files = _paths(paths)
    found, written = dict[int, list[pa.Table]](), Written()
    parts = (scanned for _, scanned in scans(files, Scanner(known_apids(database))))
    for decoded in decode_all(parts, plans, written):
        for rows in decoded:
            found.setdefault(rows.container, []).append(_table(rows, plans.plans[rows.container]))
    tables = {plans.plans[c].container: pa.concat_tables(t) for c, t in sorted(found.items())}
    made = Tables(tables, written)
    if not made:
        told = "; ".join(_lost(made.skipped, made.refused)) or "there is no packet"
        raise FlightError(
            f"{files[0]}: nothing decoded with {xtce} ({told}). Is it of this mission?"
        )
    return made


def run(paths: PathLike | Sequence[PathLike], mission: PathLike | Mission) -> Flown:
    """A recorded flight through the whole chain: what `heartline run` writes, in memory."""
    loaded = mission if isinstance(mission, Mission) else load_mission(mission)
    chain, flown = Chain(loaded), Flown()
    definitions: dict[str, bytes] = {}
    lists = {
        topics.ALERTS: flown.alerts,
        topics.STATISTICS: flown.statistics,
        topics.REJECTS: flown.rejects,
    }
    batches: dict[str, list[pa.RecordBatch]] = {}
    recording, written = load_recording(_paths(paths), loaded, chain), Written()
    written.skip(recording.scanned)
    flown.skipped = _by_word(written.skipped)
    for fed in run_flight(recording.flight, chain):
        for _, output in fed.outputs:
            named = dict(output.headers).get(NAMED, b"").decode()
            if output.topic == topics.DEFINITIONS:
                definitions[output.key.decode()] = output.value
            elif output.topic == topics.SAMPLES:
                batch = read_record(definitions[named], output.value)
                batches.setdefault(named, []).append(batch)
            elif named:
                flown.statistics += read_statistics(definitions[named], output.value, chain.source)
            else:
                lists[output.topic].append(orjson.loads(output.value))
    for i, record in chain.samples.rest():
        form = chain.samples.form(i)
        batches.setdefault(form.sha256, []).append(read_record(form.definition, record))
    for i, plan in enumerate(chain.plans.plans):
        if chain.samples.columns[i] and (found := batches.get(chain.samples.form(i).sha256)):
            flown.samples[plan.container] = pa.Table.from_batches(found)
    return flown


def read_samples(folder: PathLike) -> dict[str, pa.Table]:
    """Samples of a folder that `heartline run` wrote, by container."""
    found = {}
    for path in sorted((Path(folder) / "samples").glob("*.arrow")):
        with path.open("rb") as file:
            found[path.stem] = ipc.open_stream(file).read_all()
    return found


def read_alerts(folder: PathLike) -> list[dict[str, Any]]:
    """Alerts of a folder that `heartline run` wrote."""
    path = Path(folder) / "alerts.jsonl"
    try:
        return [orjson.loads(line) for line in path.read_bytes().splitlines()]
    except OSError as error:
        raise FlightError(f"{path}: cannot be read: {error.strerror}.") from None


def _paths(paths: PathLike | Sequence[PathLike]) -> list[Path]:
    return [Path(paths)] if isinstance(paths, str | Path) else [Path(p) for p in paths]


def _by_word(counts: Counter[Reason]) -> dict[str, int]:
    return {reason.word: n for reason, n in sorted(counts.items())}


def _lost(skipped: dict[str, int], refused: dict[str, int]) -> list[str]:
    """One line per reason."""
    return [
        *(f"skipped {n} bytes: {word}" for word, n in skipped.items()),
        *(f"refused {n} packets: {word}" for word, n in refused.items()),
    ]


def _table(rows: Rows, plan: Plan) -> pa.Table:
    """Copies: the decoder's buffers are overwritten by its next feed."""
    columns: dict[str, Any] = {"time_ns": pa.array(rows.time_ns.copy())}
    for i, one in enumerate(plan.fields):
        kind = one.parameter.type
        if one.wide or kind.labels or kind.kind == "binary":
            cells = column_cells(rows, plan, i, False, None)
            values = pa.array([None if x is None else str(x) for x in cells], pa.string())
        else:
            values = pa.array(np.ascontiguousarray(rows.eng[:, i]))
        columns[one.parameter.name] = values
    return pa.table(columns)
