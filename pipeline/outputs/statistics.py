"""Statistics: what windows gave at the ends of their panes, as columns or as JSON.

Columns: all closings between two ticks are one Arrow record batch, a row a group, window and pane's
end; figures are lists over the parameters of the group. JSON: a record each, with the same fields
(statistics.schema.json).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa

from pipeline.outputs.arrow import Form, one_list, read_record, word_of, zero
from pipeline.outputs.closings import BITS, GROUP, PACKET, PLACE, Closing, Closings
from pipeline.outputs.definitions import columns_output
from pipeline.outputs.pending import Pending, Rank
from pipeline.outputs.statistics_rows import DOUBLE, SINGLE, WHOLE, StatisticsPlan, write
from schemas import topics
from schemas.columns import FIGURES, I4, I8, QUALITY_WORDS, ROW, Output, State
from schemas.settings import WindowSettings

MOST_CLOSINGS = 4096  # in one record
# others are f8: a mean may be a large count. The spread of a few hundred samples is not known to
# seven digits
_WIDTHS = {"count": WHOLE, "std": SINGLE, "rms": SINGLE, "rate": SINGLE}
_ARROW = {WHOLE: pa.uint32(), SINGLE: pa.float32(), DOUBLE: pa.float64()}


class GroupName(NamedTuple):
    """Of one group: its container, and qualified names of its parameters."""

    container: str
    parameters: tuple[str, ...]


class StatisticsForm:
    """Names, windows and ranks that all statistics of a source share, and their Arrow form."""

    def __init__(
        self, source: str, groups: Sequence[GroupName], windows: Sequence[WindowSettings],
        quantiles: tuple[float, ...],
    ) -> None:  # fmt: skip
        self.source, self.groups, self.windows, self.quantiles = source, groups, windows, quantiles
        containers = list(dict.fromkeys(g.container for g in groups))
        names = list(dict.fromkeys(n for g in groups for n in g.parameters))
        place = {name: i for i, name in enumerate(names)}
        self.widths = np.array([len(g.parameters) for g in groups], np.int64)
        own = [_WIDTHS.get(name, DOUBLE) for name in FIGURES]
        self._kinds = np.array([*own, *(DOUBLE for _ in quantiles), SINGLE], np.int64)
        form = self.form = Form(self._like(containers, names))
        self._plan = StatisticsPlan(
            np.array([containers.index(g.container) for g in groups], np.int32),
            np.concatenate([[0], np.cumsum(self.widths)]),
            np.array([place[n] for g in groups for n in g.parameters], np.int32),
            np.array([[w.window_s, w.pane_s] for w in windows], np.float64).reshape(-1, 2),
            self._kinds, form.head,
            np.array(form.places),
        )  # fmt: skip
        self._out = np.zeros(0, np.uint8)

    def _like(self, containers: list[str], names: list[str]) -> pa.RecordBatch:
        figures = [*FIGURES, *(f"quantile_{q:g}" for q in self.quantiles), "quantile_error"]
        columns: dict[str, pa.Array] = {
            "container": word_of(containers),
            "window_s": zero(pa.float64()),
            "pane_s": zero(pa.float64()),
            "pane_end_ns": zero(pa.int64()),
            "panes": zero(pa.int32()),
            "parameters": one_list(word_of(names)),
        }
        kinds = [_ARROW[k] for k in self._kinds.tolist()]
        columns |= {n: one_list(zero(k)) for n, k in zip(figures, kinds, strict=True)}
        columns |= {f"quality_{word}": one_list(zero(pa.uint32())) for word in QUALITY_WORDS}
        return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    def records(self, first: list[int], order: I8, pool: Closings) -> list[bytes]:
        """Records of closings of a pool in this order: the k-th of those from first[k] to
        first[k + 1]."""
        n, k = first[-1] - first[0], len(first) - 1
        total = int(pool.widths[pool.heads[order[first[0] : first[-1]], GROUP]].sum())
        lists = len(self._kinds) + BITS + 1
        most = k * (len(self.form.head) + 40 + 40 * lists) + n * (40 + 6 * lists)
        most += 8 * total * lists
        if most > len(self._out):
            self._out = np.empty(2 * most, np.uint8)
        ends = np.zeros(k + 1, np.int64)
        write(
            np.array(first), order, pool.heads, pool.figures, pool.quality, self._plan, self._out,
            ends,
        )  # fmt: skip
        out = self._out.data
        return [bytes(out[a:b]) for a, b in pairwise(ends.tolist())]

    def json(self, closing: Closing, id_: str) -> Output:
        """figures that are NaN: null."""
        group, window = self.groups[closing.group], self.windows[closing.window]
        record: dict[str, Any] = {
            "id": id_,
            "source": self.source,
            "container": group.container,
            "window_s": window.window_s,
            "pane_s": window.pane_s,
            "pane_end_ns": closing.end_ns,
            "panes": closing.panes,
            "parameters": group.parameters,
        }
        figures, quality = closing.figures, closing.quality
        record |= {name: figures[row] for name, row in ROW.items()}
        record["quantiles"] = {
            f"{q:g}": row for q, row in zip(self.quantiles, figures[len(FIGURES) : -1], strict=True)
        }
        record["quantile_error"] = figures[-1]
        flagged = np.flatnonzero(quality.any(axis=1)).tolist()
        record["quality"] = {QUALITY_WORDS[k]: quality[k] for k in flagged}
        value = orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)
        return Output(topics.STATISTICS, id_, self.source.encode(), value)


class StatisticsColumns:
    """Publishes closings, one record a tick. State: those since the last tick."""

    def __init__(self, form: StatisticsForm) -> None:
        self._form = form
        self.pool = Closings(form.widths, len(form.quantiles))

    def feed(self, ticks: I8, record_of: I4) -> Iterator[Pending]:
        """Records of what the pool holds. ticks: packets that are ticks; record_of: the record of a
        packet. What no tick has closed stays."""
        pool = self.pool
        if not pool.n:
            return
        order = pool.order()
        first, causes = self._cut(pool.heads[order, PACKET], ticks)
        if causes:
            records = self._form.records(first, order, pool)
            for packet, value in zip(causes, records, strict=True):
                form = self._form
                make = partial(columns_output, topics.STATISTICS, form.source, form.form, value)
                record = int(record_of[packet])
                yield Pending(packet, record, Rank.STATISTICS, (packet,), make)
        pool.keep_only(order[first[-1] :])

    def _cut(self, packets: I8, ticks: I8) -> tuple[list[int], list[int]]:
        """Where each record begins among the closings of these packets, and where the rest does;
        and the packet that causes each: a tick, or the one that fills it."""
        at = np.searchsorted(ticks, packets)
        ends = [*(np.flatnonzero(np.diff(at)) + 1).tolist(), len(at)]
        first, causes = [0], list[int]()
        for end in ends:
            while end - first[-1] >= MOST_CLOSINGS:
                first.append(first[-1] + MOST_CLOSINGS)
                causes.append(int(packets[first[-1] - 1]))
            if first[-1] < end and at[end - 1] < len(ticks):
                first.append(end)
                causes.append(int(ticks[at[end - 1]]))
        return first, causes

    def rest(self) -> bytes:
        """The record of the closings since the last tick; empty if there are none."""
        pool = self.pool
        return self._form.records([0, pool.n], pool.order(), pool)[0] if pool.n else b""

    def snapshot(self) -> State:
        p = self.pool
        return {
            "heads": p.heads[: p.n, GROUP:PLACE].copy(),
            "figures": p.figures[: p.rows * p.used].copy(),
            "quality": p.quality[: BITS * p.used].copy(),
        }

    def restore(self, state: State) -> None:
        """ValueError if the state is from another mission."""
        heads, figures, quality = state["heads"], state["figures"], state["quality"]
        groups, windows, p = len(self._form.groups), len(self._form.windows), self.pool
        if heads.dtype != np.int64 or heads.ndim != 2 or heads.shape[1:] != (PLACE - GROUP,):
            raise ValueError("snapshot of another mission: no closings of statistics")
        if ((heads[:, :2] < 0) | (heads[:, :2] >= (groups, windows))).any():
            raise ValueError("snapshot with impossible values: statistics of a group there is not")
        ends = np.concatenate([[0], np.cumsum(p.widths[heads[:, 0]])]).astype(np.int64)
        used = int(ends[-1])
        wanted = ((figures, np.float64, p.rows), (quality, np.uint32, BITS))
        if any(a.dtype != t or a.shape != (n * used,) for a, t, n in wanted):
            raise ValueError("snapshot of another mission: figures of other groups")
        p.clear()
        p.room(len(heads), used)
        p.n, p.used = len(heads), used
        p.heads[: p.n, PACKET] = np.arange(-p.n, 0)
        p.heads[: p.n, GROUP:PLACE], p.heads[: p.n, PLACE] = heads, ends[:-1]
        p.figures[: len(figures)], p.quality[: len(quality)] = figures, quality


def read_statistics(definition: bytes, record: bytes, source: str) -> Iterator[dict[str, Any]]:
    """The closings of a record of columns, each as its JSON record has it, but for the id.

    pa.ArrowInvalid, KeyError: it is not such a record.
    """
    batch = read_record(definition, record)
    ranks = [n.removeprefix("quantile_") for n in batch.schema.names if n.startswith("quantile_")]
    for row in batch.to_pylist():
        quality = {word: row.pop(f"quality_{word}") for word in QUALITY_WORDS}
        for name in (*FIGURES, *(f"quantile_{q}" for q in ranks)):
            row[name] = [x if math.isfinite(x) else None for x in row[name]]
        row["quantiles"] = {q: row.pop(f"quantile_{q}") for q in ranks if q != "error"}
        row["quality"] = {word: counts for word, counts in quality.items() if counts is not None}
        yield {"source": source, **row}
