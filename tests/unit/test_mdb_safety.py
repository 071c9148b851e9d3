"""A database from elsewhere: it opens nothing, ends soon, and says what is wrong with it."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.errors import MissionError
from pipeline.mdb import load_xtce
from tests.unit.test_mdb import INT, INT8, ROOT, document

XINCLUDE = 'xmlns:xi="http://www.w3.org/2001/XInclude"'
UNIT = f"<UnitSet><Unit>&e;</Unit></UnitSet>{INT8}"
LAUGHS = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
BOMB = f'<!DOCTYPE x [<!ENTITY e0 "ha">{LAUGHS}]>'
SECRET = "volts of this machine"
_watching: list[list[str]] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and (event == "open" or event.startswith("socket.")):
        _watching[-1].append(f"{event} {arguments[0]}")


sys.addaudithook(_audit)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Files opened and sockets used meanwhile."""
    seen: list[str] = []
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.pop()


def algorithms(*of: tuple[str, str]) -> str:
    """A database that computes each (output, input)."""
    rows = "".join(
        f'<MathAlgorithm name="A{i}"><MathOperation outputParameterRef="{output}">'
        f'<ParameterInstanceRefOperand parameterRef="{given}"/></MathOperation></MathAlgorithm>'
        for i, (output, given) in enumerate(of)
    )
    types = INT.format(INT8) + '<IntegerParameterType name="L"/>'
    parameters = '<Parameter name="P" parameterTypeRef="T"/>' + "".join(
        f'<Parameter name="{name}" parameterTypeRef="L"/>' for name in "XY"
    )
    end = f"<AlgorithmSet>{rows}</AlgorithmSet></TelemetryMetaData>"
    return document(types, parameters).replace("</TelemetryMetaData>", end)


def aggregates(n: int, members: int) -> str:
    """Types T, T1 …, each of so many members of the next."""
    rows = "".join(
        f'<AggregateParameterType name="T{i or ""}"><MemberList>'
        + "".join(f'<Member name="m{j}" typeRef="T{(i + 1) % n or ""}"/>' for j in range(members))
        + "</MemberList></AggregateParameterType>"
        for i in range(n)
    )
    return document(rows)


def container(name: str, inner: str = "", base: str = "") -> str:
    entry = f'<ContainerRefEntry containerRef="{inner}"/>' if inner else ""
    above = f'<BaseContainer containerRef="{base}"/>' if base else ""
    return f'<SequenceContainer name="{name}"><EntryList>{entry}</EntryList>{above}</SequenceContainer>'


def criteria(depth: int) -> str:
    inner = "<ANDedConditions><ORedConditions>" * depth
    outer = "</ORedConditions></ANDedConditions>" * depth
    return (
        f'{ROOT}<SequenceContainer name="C"><EntryList/><BaseContainer containerRef="Root">'
        f"<RestrictionCriteria><BooleanExpression>{inner}{outer}</BooleanExpression>"
        "</RestrictionCriteria></BaseContainer></SequenceContainer>"
    )


INT_ON = '<IntegerParameterType name="{}" baseType="{}"/>'
REFUSED = {
    "an entity bomb in a text": (
        BOMB + document(INT.format(UNIT.replace("&e;", "&e9;"))),
        "amplification",
    ),
    "an entity bomb in a name": (BOMB + document().replace('"Root"', '"&e9;"'), "amplification"),
    "an entity of a text": (
        '<!DOCTYPE x [<!ENTITY e "V">]>' + document(INT.format(UNIT)),
        "<Unit>: the entity &e; is not followed",
    ),
    "an entity of a file": (
        '<!DOCTYPE x [<!ENTITY e SYSTEM "{folder}/secret">]>' + document(INT.format(UNIT)),
        "<Unit>: the entity &e; is not followed",
    ),
    "an entity of a file URL": (
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file://{folder}/secret">]>' + document(INT.format(UNIT)),
        "<Unit>: the entity &e; is not followed",
    ),
    "an entity of a web page": (
        '<!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1:{port}/e">]>' + document(containers=ROOT + "&e;"),
        "<ContainerSet>: the entity &e; is not followed",
    ),
    "an XInclude": (
        document(containers=f'{ROOT}<xi:include {XINCLUDE} href="{{folder}}/secret" parse="text"/>'),
        "<include>: not supported inside <ContainerSet>",
    ),
    "containers that hold each other": (
        document(containers=container("Root", "B") + container("B", "Root")),
        "contains itself: Root → B → Root",
    ),
    "containers that extend each other": (
        document(containers=ROOT + container("A", base="B") + container("B", base="A")),
        "contains itself: A → B → A",
    ),
    "a long chain of containers": (
        document(
            containers=ROOT
            + container("C0", base="Root")
            + "".join(container(f"C{i}", base=f"C{i - 1}") for i in range(1, 2000))
        ),
        "containers nested deeper than 100",
    ),
    "types that extend each other": (
        document(INT_ON.format("T", "U") + INT_ON.format("U", "T")),
        "extends itself",
    ),
    "a long chain of types": (
        document(
            INT.format(INT8)
            + INT_ON.format("U0", "T")
            + "".join(INT_ON.format(f"U{i}", f"U{i - 1}") for i in range(1, 2000))
        ),
        "more than 100 base types",
    ),
    "an aggregate of itself": (aggregates(1, 1), "nested deeper than 16"),
    "aggregates of each other": (aggregates(2, 3), "nested deeper than 16"),
    "aggregates of ten of ten of ten": (
        aggregates(12, 10).replace("</ParameterTypeSet>", INT.format(INT8).replace('"T"', '"Z"') + "</ParameterTypeSet>").replace('typeRef="T"', 'typeRef="Z"'),
        "more than 4096 members",
    ),
    "a parameter computed of itself": (algorithms(("X", "X")), "X sets itself off"),
    "parameters computed of each other": (
        algorithms(("X", "Y"), ("Y", "X")),
        "X and Y wait for each other",
    ),
    "deep XML": ('<SpaceSystem name="S">' * 5000, "depth"),
    "deep SpaceSystems": (
        '<SpaceSystem name="S">' * 200 + "</SpaceSystem>" * 200,
        "nested deeper than 100",
    ),
    "deep conditions": (document(containers=criteria(50)), "nested deeper than 32"),
    "a very long text": (
        document(INT.format(f"<UnitSet><Unit>{'V' * 11_000_000}</Unit></UnitSet>")),
        "Text node too long",
    ),
}  # fmt: skip
INERT = {
    "a DTD of a web page": '<!DOCTYPE SpaceSystem SYSTEM "http://127.0.0.1:{port}/x.dtd">',
    "a DTD of a file": '<!DOCTYPE SpaceSystem SYSTEM "{folder}/secret">',
    "a parameter entity of a file": '<!DOCTYPE x [<!ENTITY % p SYSTEM "file://{folder}/secret"> %p;]>',
}


class Server:
    """A port that would take a call: the parser's own calls pass no hook of Python's."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]

    def called(self) -> bool:
        try:
            self.socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.socket.close()


def written(folder: Path, text: str, port: int = 9) -> Path:
    (folder / "secret").write_text(SECRET)
    path = folder / "m.xml"
    path.write_text(text.replace("{folder}", str(folder)).replace("{port}", str(port)))
    return path


@pytest.mark.parametrize("what", REFUSED)
def test_refused_by_name_within_a_second(what: str, tmp_path: Path, server: Server) -> None:
    text, why = REFUSED[what]
    path = written(tmp_path, text, server.port)
    began = time.perf_counter()
    with watched() as seen, pytest.raises(MissionError, match=r"m\.xml") as error:
        load_xtce(path)
    assert time.perf_counter() - began < 1
    assert why in str(error.value)
    assert SECRET not in str(error.value)
    assert [s for s in seen if not s.endswith(".py")] == [f"open {path}"]
    assert not server.called()


@pytest.mark.parametrize("what", INERT)
def test_a_document_type_is_not_fetched(what: str, tmp_path: Path, server: Server) -> None:
    path = written(tmp_path, INERT[what] + document(), server.port)
    with watched() as seen:
        assert SECRET not in repr(load_xtce(path))
    assert seen == [f"open {path}"]
    assert not server.called()


def test_a_calibrator_of_its_own_parameter_takes_the_value_before(tmp_path: Path) -> None:
    """No circle: a reference is to the newest value that stands when it is asked for."""
    calibrator = (
        "<IntegerDataEncoding><DefaultCalibrator><MathOperationCalibrator>"
        '<ParameterInstanceRefOperand parameterRef="P" useCalibratedValue="false"/>'
        "</MathOperationCalibrator></DefaultCalibrator></IntegerDataEncoding>"
    )
    assert load_xtce(written(tmp_path, document(INT.format(calibrator)))).parameters["P"]
