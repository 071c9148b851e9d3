"""Seeded skies: packets of two containers. Their clock is set, drifts and leaps, some stamps are
off, and recorded data is sent beside live data. What truly happened is kept with them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.flights.records import Flight
from tests.unit.mdb.test_mdb import document

SECOND = 1_000_000_000
BASE = 1_700_000_000 * SECOND
DAY_S = 86_400.0
PERIODS = {1: 0.1, 2: 1.0}  # s, by APID
F4 = '<FloatDataEncoding sizeInBits="32" encoding="IEEE754_1985"/>'
QUIET = (
    "[[residual]]\nenabled = false\n[[time_to_limit]]\nenabled = false\n[[flat]]\nenabled = false\n"
)


def write_mission(folder: Path) -> None:
    """APID 1 has TIME (us), P with a limit at 20; APID 2 TIME and Q."""
    types = (
        f'<FloatParameterType name="T">{F4}<DefaultAlarm><StaticAlarmRanges>'
        '<CriticalRange maxInclusive="20"/></StaticAlarmRanges></DefaultAlarm></FloatParameterType>'
        '<IntegerParameterType name="U11" signed="false"><IntegerDataEncoding sizeInBits="11"/>'
        '</IntegerParameterType><AbsoluteTimeParameterType name="TT">'
        '<Encoding units="seconds" scale="1e-6"><IntegerDataEncoding sizeInBits="64" '
        'encoding="twosComplement"/></Encoding><ReferenceTime><Epoch>1970-01-01</Epoch>'
        "</ReferenceTime></AbsoluteTimeParameterType>"
    )
    parameters = "".join(
        f'<Parameter name="{name}" parameterTypeRef="{kind}"/>'
        for name, kind in (("APID", "U11"), ("T1", "TT"), ("T2", "TT"), ("P", "T"), ("Q", "T"))
    )
    at = (
        '<LocationInContainerInBits referenceLocation="containerStart">'
        "<FixedValue>{}</FixedValue></LocationInContainerInBits>"
    )
    root = (
        '<SequenceContainer name="Root" abstract="true"><EntryList><ParameterRefEntry '
        f'parameterRef="APID">{at.format(5)}</ParameterRefEntry></EntryList></SequenceContainer>'
    )
    for apid, value in ((1, "P"), (2, "Q")):
        root += (
            f'<SequenceContainer name="C{apid}"><EntryList><ParameterRefEntry '
            f'parameterRef="T{apid}">{at.format(48)}</ParameterRefEntry>'
            f'<ParameterRefEntry parameterRef="{value}"/></EntryList>'
            '<BaseContainer containerRef="Root"><RestrictionCriteria><Comparison '
            f'parameterRef="APID" value="{apid}"/></RestrictionCriteria></BaseContainer>'
            "</SequenceContainer>"
        )
    (folder / "x.xml").write_text(document(types, parameters, root))
    (folder / "mission.toml").write_text(
        f'name = "sky"\nsource = "sky"\nxtce = "x.xml"\n{QUIET}[time]\nlos_s = 60\n'
    )


@dataclass
class Sky:
    """packets: (reception s, APID, stamp s, value, kind), in order. steps: of the clock, s."""

    packets: list[tuple[float, int, float, float, str]] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    excursions: int = 0  # of live P beyond its limit
    recorded_excursions: int = 0

    def count(self, what: str) -> int:
        return sum(p[4] == what for p in self.packets)

    def flight(self) -> Flight:
        """With their own reception times."""
        counts = dict.fromkeys(PERIODS, 0)
        made, heard = [], []
        for at, apid, stamp, value, _ in self.packets:
            head = struct.pack(">HHH", 0x0800 | apid, 0xC000 | counts[apid] % 16384, 11)
            time_us = (BASE + round(stamp * SECOND)) // 1000
            made.append(head + struct.pack(">qf", time_us, value))
            heard.append(BASE + round(at * SECOND))
            counts[apid] += 1
        length = np.full(len(made), len(made[0]), np.int64)
        start = np.arange(len(made)) * len(made[0])
        data = np.frombuffer(b"".join(made), np.uint8)
        return Flight(data, start, length, np.array(heard, np.int64))


def sky(rng: np.random.Generator, backward_only: bool = False) -> Sky:
    """900 s, a minute at least between one event and the next."""
    made, kinds = Sky(), ["step", "leap", "dump", "excursion", "reset"]
    at, clock, drift = 60.0, 0.0, float(rng.uniform(-1e-4, 1e-4))
    events = []
    for _ in range(6):
        kind = str(rng.choice(kinds))
        events.append((at, kind))
        at += float(rng.uniform(90, 140))
    live: list[tuple[float, int, float, float, str]] = []
    begin = 0.0
    for when, kind in [*events, (at, "end")]:
        live += _run(begin, when, clock, drift)
        begin = when
        if kind in ("step", "leap", "reset"):
            size = float(10 ** rng.uniform(np.log10(10), np.log10(DAY_S)))
            step = {"step": size * float(rng.choice([-1, 1])), "leap": -1.0, "reset": -1e8}[kind]
            if backward_only:
                step = -abs(step)
            clock += step
            made.steps.append(step)
        elif kind == "dump":
            begin = when + 20  # loss of signal; what was recorded meanwhile comes beside live
            live += _dump(when, begin, clock, drift, rng)
            made.recorded_excursions += 1
        elif kind == "excursion":
            live += _run(begin, begin + 10, clock, drift, 30.0)
            begin += 10
            made.excursions += 1
    live.sort(key=lambda p: p[0])
    owned = [i for i, p in enumerate(live) if p[4] == "own"]
    quiet = [w for w, _ in events]
    for i in rng.choice(owned, len(owned) // 80, replace=False):
        heard, apid, stamp, value, _ = live[i]
        if heard < 5 or min(abs(heard - w - 16) for w in quiet) < 24:
            continue  # near a step, in a dump or at first a wrong stamp would be ambiguous
        away = float(rng.choice([-1, 1]) * 10 ** rng.uniform(np.log10(4), np.log10(DAY_S)))
        live[i] = (heard, apid, stamp + away, value, "off")
    made.packets = live
    return made


def _run(
    begin: float, end: float, clock: float, drift: float, value: float = 5.0
) -> list[tuple[float, int, float, float, str]]:
    return [
        (t, apid, t * (1 + drift) + clock, value if apid == 1 else 5.0, "own")
        for apid, period in PERIODS.items()
        for t in (np.arange(np.ceil(begin / period - 1e-6), np.ceil(end / period - 1e-6)) * period)
    ]


def _dump(
    lost: float, back: float, clock: float, drift: float, rng: np.random.Generator
) -> list[tuple[float, int, float, float, str]]:
    """What APID 1 recorded from `lost` to `back`, sent several times as fast as it was made."""
    stamps = np.arange(np.ceil(lost * 10), np.floor(back * 10)) / 10
    speed = float(rng.uniform(2.5, 15))
    out = []
    for stamp in stamps:
        value = 30.0 if lost + 5 < stamp < lost + 15 else 5.0
        heard = back + 2 + (stamp - lost) / speed
        out.append((heard, 1, stamp * (1 + drift) + clock, value, "recorded"))
    return out
