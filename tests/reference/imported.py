"""Imports files and decodes the packets they became, for tests to compare with the files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.decode import Decoder, Plan, compile_plans
from pipeline.formats.importing import import_flight
from pipeline.formats.series import Options
from pipeline.mdb import load_xtce
from pipeline.packets import PacketReader, Scanner
from schemas.columns import Rows
from schemas.records import PACKETS_HEADERS, RawRecord, encode_packets
from schemas.settings import TimeSettings


@dataclass
class Container:
    """time_ns i8[k]; eng f8 and raw u8 [k] a parameter; labels a parameter."""

    time_ns: Any
    eng: dict[str, Any]
    raw: dict[str, Any]
    labels: dict[str, dict[int, str]]
    units: dict[str, str]

    def texts(self, name: str) -> list[str]:
        return [self.labels[name][int(x)] for x in self.eng[name]]

    def whole(self, name: str, kind: Any) -> Any:
        """Raw bits as integers of this numpy type."""
        return self.raw[name].astype(f"u{np.dtype(kind).itemsize}").view(kind)


def imported(path: Path, folder: Path, options: Options) -> dict[str, Container]:
    """Every container of a file, by name."""
    return {
        plan.container: _container(plan, rows) for plan, rows in decoded([path], folder, options)
    }


def decoded(paths: list[Path], folder: Path, options: Options) -> list[tuple[Plan, Rows]]:
    """Rows of every container that files became."""
    made = import_flight(paths, "flight", options)
    (folder / "x.xml").write_bytes(made.xtce)
    plans = compile_plans(load_xtce(folder / "x.xml"), TimeSettings())
    scanned = Scanner().feed(made.packets, final=True)
    value = encode_packets([0] * len(scanned.start), made.packets)
    batch, _ = PacketReader().feed([RawRecord(0, value, PACKETS_HEADERS)])
    out = Decoder(plans).feed(batch)
    assert not len(out.rejects)
    return [(plans.plans[r.container], r) for r in out.rows]


def _container(plan: Any, rows: Any) -> Container:
    types = {f.parameter.name: f.parameter.type for f in plan.fields}
    return Container(
        rows.time_ns.copy(),
        {n: rows.eng[:, i].copy() for i, n in enumerate(plan.names)},
        {n: rows.raw[:, i].copy() for i, n in enumerate(plan.names)},
        {n: dict(t.labels) for n, t in types.items() if getattr(t, "labels", None)},
        {n: t.unit for n, t in types.items()},
    )
