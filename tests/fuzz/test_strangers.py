"""An XTCE from a stranger: what would never end is refused by name; no file, no socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import MissionError
from pipeline.mdb import load_xtce
from schemas.mission import MissionDatabase

U8 = '<IntegerParameterType name="U"><IntegerDataEncoding sizeInBits="8"/></IntegerParameterType>'
P = '<Parameter name="P" parameterTypeRef="{}"/>'
C = '<SequenceContainer name="C"><EntryList><ParameterRefEntry parameterRef="P"/></EntryList></SequenceContainer>'


def document(types: str = U8, of: str = "U", containers: str = C) -> str:
    return (
        f'<SpaceSystem name="S"><TelemetryMetaData><ParameterTypeSet>{types}</ParameterTypeSet>'
        f"<ParameterSet>{P.format(of)}</ParameterSet><ContainerSet>{containers}</ContainerSet>"
        "</TelemetryMetaData></SpaceSystem>"
    )


def load(folder: Path, text: str) -> MissionDatabase:
    path = folder / "m.xml"
    path.write_text(text)
    return load_xtce(path)


def aggregate(name: str, of: str, members: int) -> str:
    inner = "".join(f'<Member name="m{i}" typeRef="{of}"/>' for i in range(members))
    return f'<AggregateParameterType name="{name}"><MemberList>{inner}</MemberList></AggregateParameterType>'


def aggregates(depth: int, members: int) -> str:
    rest = "".join(aggregate(f"A{d}", f"A{d - 1}", members) for d in range(1, depth))
    return U8 + aggregate("A0", "U", members) + rest


def held(name: str, of: str, repeat: str = "") -> str:
    inner = f'<ContainerRefEntry containerRef="{of}">{repeat}</ContainerRefEntry>'
    return (
        f'<SequenceContainer name="{name}"><EntryList>{inner * 2}</EntryList></SequenceContainer>'
    )


def containers(depth: int, repeat: str = "") -> str:
    empty = '<SequenceContainer name="C0"><EntryList/></SequenceContainer>'
    return empty + "".join(held(f"C{d}", f"C{d - 1}", repeat) for d in range(1, depth))


def extends(name: str, base: str) -> str:
    return f'<IntegerParameterType name="{name}" baseType="{base}"/>'


LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
TIMES = "<RepeatEntry><Count><FixedValue>60000</FixedValue></Count></RepeatEntry>"
REFUSED = {
    "an entity bomb in a text": (
        f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>' + document().replace("<EntryList>", "<EntryList>&l11;"),
        "not followed|amplification",
    ),
    "an entity bomb in an attribute": (
        f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>' + document(of="&l11;"), "not followed|well-formed|amplification",
    ),
    "an entity of itself": (
        '<!DOCTYPE x [<!ENTITY a "&b;"><!ENTITY b "&a;">]>' + document(of="&a;"), "not followed|well-formed|amplification",
    ),
    "a container in itself": (document(containers=held("C", "C")), "contains itself"),
    "containers in a circle": (document(containers=held("C", "D") + held("D", "C")), "contains itself"),
    "containers doubled forty times": (document(containers=containers(40)), "more than 1000000 entries"),
    "repeated repetitions": (document(containers=containers(4, TIMES)), "more than 1000000 entries"),
    "types that extend each other": (document(extends("A", "B") + extends("B", "A"), "A"), "extends itself"),
    "a chain of 3,000 types": (
        document("".join(extends(f"A{i}", f"A{i + 1}") for i in range(3000)) + U8.replace('"U"', '"A3000"'), "A0"),
        "stands on more than",
    ),
    "an aggregate of itself": (document(aggregate("A", "A", 2), "A"), "nested deeper"),
    "a flood of members": (document(aggregates(12, 8), "A11"), "more than 4096 members"),
    "elements nested 100,000 deep": ("<SpaceSystem>" * 100_000, "well-formed"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_never_end_is_refused_by_name(what: str, tmp_path: Path) -> None:
    text, why = REFUSED[what]
    with pytest.raises(MissionError, match=why):
        load(tmp_path, text)
