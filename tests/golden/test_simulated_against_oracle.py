"""Packets of the simulated vehicle, decoded by space_packet_parser from the XTCE that we write."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from pipeline.chain import Chain
from pipeline.decode import Decoder
from pipeline.mission.folder import Mission
from pipeline.packets import PacketReader
from pipeline.simulate import simulate
from schemas.records import PACKETS_HEADERS, RawRecord, encode_packets


def test_every_value(demo_mission: Mission) -> None:
    """Integers with calibrators, floats, enumerations, booleans and times of seven containers."""
    from space_packet_parser import generators
    from space_packet_parser.xtce.definitions import XtcePacketDefinition

    flight = simulate(11, start=-2.0, end=0.5)
    definition = XtcePacketDefinition.from_xtce(io.StringIO(flight.xtce.decode().split("?>", 1)[1]))
    theirs = [
        definition.parse_bytes(raw)
        for raw in generators.ccsds_generator(io.BytesIO(flight.packets))
    ]
    value = encode_packets([0] * len(theirs), flight.packets)
    batch, refused = PacketReader().feed([RawRecord(0, value, PACKETS_HEADERS)])
    assert not len(refused)
    chain = Chain(demo_mission)
    decoded = Decoder(chain.plans).feed(batch)
    assert not len(decoded.rejects)
    compared = 0
    for rows in decoded.rows:
        plan = chain.plans.plans[rows.container]
        for j, field in enumerate(plan.fields):
            name, kind = field.parameter.name, field.parameter.type
            if kind.time is not None:
                want = [int(theirs[p][name].raw_value) for p in rows.packet]
                assert rows.raw[:, j].tolist() == want
            elif kind.labels:
                labels = dict(kind.labels)
                mine = [labels[int(x)] for x in rows.eng[:, j]]
                assert mine == [str(theirs[p][name]) for p in rows.packet]
            else:
                want_values = np.array([float(theirs[p][name]) for p in rows.packet])
                np.testing.assert_array_equal(rows.eng[:, j], want_values, err_msg=name)
            compared += len(rows.packet)
    assert compared > 40_000


def test_the_demo_flies_what_is_simulated(demo_mission: Mission) -> None:
    """missions/demo/hl1.xml is what `simulate` writes: one description, not two."""
    assert Path(demo_mission.mdb.path).read_bytes() == simulate(0, (), 0.0, 0.1).xtce
