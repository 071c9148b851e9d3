"""What `mdb show` and `mdb diff` tell of drawn databases: it stands where the decoder reads it."""

from __future__ import annotations

import random
from pathlib import Path

from pipeline.decode import compile_plans
from pipeline.mdb import load_xtce
from pipeline.mdb.compare import differences
from pipeline.mdb.places import Places
from pipeline.mdb.words import type_words, words
from schemas.mission import MissionDatabase
from schemas.settings import TimeSettings
from tests.reference.databases import Draw


def drawn(folder: Path, seed: int) -> MissionDatabase:
    path = folder / f"{seed}.xml"
    path.write_text(Draw(random.Random(seed)).database().xml)
    return load_xtce(path)


def test_places_are_those_of_the_decoder(tmp_path: Path) -> None:
    compared = 0
    for seed in range(30):
        mdb = drawn(tmp_path, seed)
        places = Places(mdb)
        for plan in compile_plans(mdb, TimeSettings()).plans:
            read = {f.parameter.name: (f.bit, f.bits) for f in plan.fields if f.bit >= 0}
            name: str | None = plan.container
            while name:
                for placed in places.of(mdb.containers[name]):
                    entry = placed.entry
                    if entry.kind == "parameter" and placed.at is not None and entry.name in read:
                        bit, bits = read[entry.name]
                        assert (placed.at, placed.bits) == (bit, bits if placed.bits else None)
                        compared += 1
                name = mdb.containers[name].base
    assert compared > 300


def test_a_database_differs_from_others_and_not_from_itself(tmp_path: Path) -> None:
    before = drawn(tmp_path, 0)
    for seed in range(1, 20):
        after = drawn(tmp_path, seed)
        assert not differences(after, after)
        assert differences(before, after)
        before = after


def test_every_definition_has_words(tmp_path: Path) -> None:
    for seed in range(20):
        mdb = drawn(tmp_path, seed)
        for parameter in mdb.parameters.values():
            of = parameter.type
            assert type_words(of)
            for value in (of.calibrator, of.context_calibrators, of.alarm, of.time, of.valid):
                assert "object at" not in words(value)
                assert "=" not in words(value).replace("==", "").replace("!=", "").replace(
                    "<=", ""
                ).replace(">=", "")
