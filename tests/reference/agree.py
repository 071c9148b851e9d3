"""Both decoders over the same packets: what each says, in words that can be compared.

python -m tests.reference.agree 1000 100      databases, packets of each; seeds from 1 on
"""

from __future__ import annotations

import math
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipeline.decode import Decoder, PlanSet, compile_plans
from pipeline.decode.places import bytes_of
from pipeline.errors import MissionError
from pipeline.mdb import load_xtce
from pipeline.packets import PacketReader
from schemas.columns import ABSENT, Rows
from schemas.records import RawRecord
from schemas.settings import TimeSettings
from tests.reference.databases import Draw, Drawn
from tests.reference.decoder import ReferenceDecoder

RECEIVED = 1_700_000_000 * 10**9


def plans_of(xml: str) -> PlanSet:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.xml"
        path.write_text(xml)
        return compile_plans(load_xtce(path), TimeSettings())


def compiled(plans: PlanSet, packets: list[bytes], trailing: bool, cut: int) -> list[Any]:
    """(container, time, {name: (eng, quality, bits)}) or the reason, a packet; fed in two pieces."""
    reader, decoder = PacketReader(), Decoder(plans, trailing)
    told: list[Any] = []
    for first, part in ((0, packets[:cut]), (cut, packets[cut:])):
        records = [RawRecord(first + i, p, (), RECEIVED) for i, p in enumerate(part)]
        batch, refused = reader.feed(records)
        assert not len(refused)
        out = decoder.feed(batch)
        here: list[Any] = [None] * len(part)
        for packet, reason in zip(out.rejects.packet, out.rejects.reason, strict=True):
            here[packet] = int(reason)
        for rows in out.rows:
            for k, packet in enumerate(rows.packet):
                here[packet] = _row(plans, rows, k)
        told += here
    return told


def _row(plans: PlanSet, rows: Rows, k: int) -> Any:
    plan, values = plans.plans[rows.container], {}
    for j, f in enumerate(plan.fields):
        quality = int(rows.quality[k, j])
        if quality == ABSENT:
            continue
        raw = int(rows.raw[k, j])
        bits: Any = None if f.derived else bytes_of(rows.data, raw) if f.wide else raw
        values[f.parameter.name] = (float(rows.eng[k, j]), quality, bits)
    return plan.container, int(rows.time_ns[k]), values


def reference(xml: str, packets: list[bytes], trailing: bool, plans: PlanSet) -> list[Any]:
    decoder = ReferenceDecoder(xml, trailing=trailing)
    wide = {f.parameter.name: f.wide for p in plans.plans for f in p.fields}
    told: list[Any] = []
    for packet in packets:
        done = decoder.decode(packet, RECEIVED)
        if done.reason:
            told.append(done.reason)
            continue
        values = {}
        for name, v in done.values.items():
            bits = v.bits
            if isinstance(bits, int) and wide.get(name):
                bits = None  # compared by its number; the bytes stand in the packet
            elif isinstance(bits, bytes) and not wide.get(name):
                bits = v.number
            values[name] = (v.eng, v.quality, bits)
        told.append((done.container, done.time_ns, values))
    return told


def differences(mine: list[Any], theirs: list[Any]) -> list[str]:
    """What one says and the other does not, in words."""
    found = []
    for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        if isinstance(a, int) or isinstance(b, int):
            if a != b:
                found.append(
                    f"packet {i}: compiled {a if isinstance(a, int) else a[0]}, reference {b if isinstance(b, int) else b[0]}"
                )
            continue
        if a[:2] != b[:2]:
            found.append(f"packet {i}: compiled {a[:2]}, reference {b[:2]}")
        for name in sorted(a[2].keys() | b[2].keys()):
            x, y = a[2].get(name), b[2].get(name)
            if x is None or y is None or not _same(x, y, name.startswith("B")):
                found.append(f"packet {i} {name}: compiled {x}, reference {y}")
    return found


def _same(x: Any, y: Any, _: bool) -> bool:
    if x[1] != y[1]:
        return False
    same = x[0] == y[0] or (math.isnan(x[0]) and math.isnan(y[0]))
    bits = x[2] is None or y[2] is None or x[2] == y[2]
    return same and bits


def run(rnd: Any, packets: int) -> tuple[Drawn, int, list[str]]:
    """One database: (what it was, packets decoded, differences)."""
    draw = Draw(rnd)
    drawn = draw.database()
    plans = plans_of(drawn.xml)
    trailing = draw.chance(0.8)
    given = draw.packets(packets)
    mine = compiled(plans, given, trailing, rnd.randint(0, packets))
    theirs = reference(drawn.xml, given, trailing, plans)
    good = sum(not isinstance(x, int) for x in mine)
    return drawn, good, differences(mine, theirs)


def main(databases: int, packets: int) -> int:
    good = bad = refused = 0
    features: dict[str, int] = {}
    for seed in range(1, databases + 1):
        try:
            drawn, n, wrong = run(random.Random(seed), packets)
        except MissionError as error:
            refused += 1
            print(f"seed {seed}: refused at load: {error}")
            continue
        good += n
        bad += bool(wrong)
        for feature in drawn.features:
            features[feature] = features.get(feature, 0) + 1
        for line in wrong[:4]:
            print(f"seed {seed}: {line}")
    total = (databases - refused) * packets
    print(
        f"{databases - refused} databases of seeds 1 to {databases} ({refused} refused at load), "
        f"{total} packets, {good} of them decoded, the rest refused by both alike; "
        f"databases with a difference: {bad}"
    )
    rare = sorted((n, f) for f, n in features.items())
    print(
        f"{len(features)} kinds of element; the rarest: {', '.join(f'{f} in {n}' for n, f in rare[:5])}"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
