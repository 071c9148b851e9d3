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
from tests.unit.mdb.test_mdb import INT, INT8, ROOT, document

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


LINE = '<PolynomialCalibrator><Term coefficient="2" exponent="1"/></PolynomialCalibrator>'


def reads(name: str, calibrated: str = "true") -> str:
    """A formula of another parameter's value."""
    operand = (
        f'<ParameterInstanceRefOperand parameterRef="{name}" useCalibratedValue="{calibrated}"/>'
    )
    return f"<MathOperationCalibrator>{operand}</MathOperationCalibrator>"


def context(name: str, calibrator: str, calibrated: str = "true") -> str:
    """A calibrator where that parameter is 1."""
    match = f'<Comparison parameterRef="{name}" value="1" useCalibratedValue="{calibrated}"/>'
    return (
        f"<ContextCalibrator><ContextMatch>{match}</ContextMatch>"
        f"<Calibrator>{calibrator}</Calibrator></ContextCalibrator>"
    )


def calibrators(**of: str) -> str:
    """Parameters with these calibrators; RAW has none, LIST is of E, GROUP of A and B."""
    types, parameters = INT.format(INT8), '<Parameter name="RAW" parameterTypeRef="T"/>'
    for name, one in {"A": LINE, "B": LINE, "E": LINE, **of}.items():
        tag = "ContextCalibratorList" if "<ContextMatch>" in one else "DefaultCalibrator"
        encoding = f"<IntegerDataEncoding><{tag}>{one}</{tag}></IntegerDataEncoding>"
        types += INT.replace('"T"', f'"{name}"').format(encoding)
        parameters += f'<Parameter name="{name}" parameterTypeRef="{name}"/>'
    types += (
        '<ArrayParameterType name="L" arrayTypeRef="E"><DimensionList><Dimension><StartingIndex>'
        "<FixedValue>0</FixedValue></StartingIndex><EndingIndex><FixedValue>1</FixedValue>"
        '</EndingIndex></Dimension></DimensionList></ArrayParameterType><AggregateParameterType name="G">'
        '<MemberList><Member name="A" typeRef="A"/><Member name="B" typeRef="B"/></MemberList>'
        "</AggregateParameterType>"
    )
    parameters += '<Parameter name="LIST" parameterTypeRef="L"/><Parameter name="GROUP" parameterTypeRef="G"/>'
    return document(types, parameters, ROOT.replace('"P"', '"RAW"'))


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
        "only whole XML files, by href, are included",
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
    "a calibrator of its own value": (calibrators(A=reads("A")), "<Parameter name='A'>: its calibrator needs what it makes: A → A"),
    "calibrators of each other": (calibrators(A=reads("B"), B=reads("A")), "needs what it makes: A → B → A"),
    "calibrators of each other, through one between": (
        calibrators(A=reads("B"), B=reads("M"), M=reads("A")),
        "needs what it makes: A → B → M → A",
    ),
    "calibrators in contexts of each other": (
        calibrators(A=context("RAW", reads("B")), B=context("RAW", reads("A"))),
        "needs what it makes: A → B → A",
    ),
    "a context that a calibrator of it decides": (
        calibrators(A=context("B", LINE), B=reads("A")),
        "needs what it makes: A → B → A",
    ),
    "a context of the value that it decides": (calibrators(A=context("A", LINE)), "needs what it makes: A → A"),
    "an element of an array by another": (calibrators(E=reads("LIST[1]")), "<Parameter name='LIST'>: its calibrator needs what it makes: LIST → LIST"),
    "a member of an aggregate by another and back": (
        calibrators(A=reads("GROUP.B"), B=reads("GROUP.A")),
        "<Parameter name='GROUP'>: its calibrator needs what it makes: GROUP.A → GROUP.B → GROUP.A",
    ),
    "a long chain of calibrators, closed": (
        calibrators(**{f"X{i}": reads(f"X{(i + 1) % 2000}") for i in range(2000)}),
        "X0 → X1 → X2 → X3 → X4 → X5 → … → X1995 → X1996 → X1997 → X1998 → X1999 → X0.",
    ),
    "a parameter computed of itself": (algorithms(("X", "X")), "X sets itself off"),
    "parameters computed of each other": (
        algorithms(("X", "Y"), ("Y", "X")),
        "X sets itself off: X → Y → X",
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
    began = time.thread_time()
    with watched() as seen, pytest.raises(MissionError, match=r"m\.xml") as error:
        load_xtce(path)
    assert time.thread_time() - began < 1
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


LOADED = {
    "its own uncalibrated value": calibrators(A=reads("A", "false")),
    "each other's uncalibrated values": calibrators(A=reads("B", "false"), B=reads("A", "false")),
    "one of them uncalibrated": calibrators(A=reads("B"), B=reads("A", "false")),
    "a context of its own uncalibrated value": calibrators(A=context("A", LINE, "false")),
    "another member": calibrators(A=reads("GROUP.B")),
    "an element of another array": calibrators(A=reads("LIST[1]")),
    "twice the same": calibrators(A=reads("E"), B=reads("E")),
    "a long chain": calibrators(**{f"X{i}": reads(f"X{i + 1}") for i in range(2000)}, X2000=LINE),
}


@pytest.mark.parametrize("what", LOADED)
def test_calibrators_that_make_no_circle(what: str, tmp_path: Path) -> None:
    assert load_xtce(written(tmp_path, LOADED[what])).parameters["A"]
