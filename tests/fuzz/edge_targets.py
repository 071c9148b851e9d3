"""The edges: every request is answered or refused, every address is one or is told, and no cell of
a table that a stranger filled begins a formula."""

from __future__ import annotations

import asyncio
import csv
import http.client
import io
import math
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from prometheus_client import CollectorRegistry, Counter, make_wsgi_app

from agents.ground.inputs import address as input_address
from agents.host.addresses import addresses
from agents.host.door import door
from agents.host.errors import BrokerError
from agents.observe.http_messages import Request, RequestError, Response, ask, plain, read_head
from pipeline.decode import compile_plans
from pipeline.errors import MissionError
from pipeline.flights.table import write_tables
from pipeline.mdb import load_xtce
from pipeline.packets import Scanner
from schemas.settings import TimeSettings
from tests.fuzz import edge_inputs
from tests.fuzz.inputs import Input
from tests.fuzz.targets import Refused

LIMIT = 16 << 10


def requests(rnd: random.Random, _: Path) -> tuple[Input, Refused]:
    """In pieces as in one, and what is answered is a response of HTTP."""
    given = edge_inputs.request(rnd)
    cuts = sorted(rnd.randint(0, given.size) for _ in range(rnd.randint(0, 8)))
    whole, parts = (asyncio.run(_heard(given.content, c)) for c in ([], cuts))
    assert whole == parts
    if isinstance(whole, Request):
        answered(ask(_application(), whole), whole.method)
        return given, Refused()
    if isinstance(whole, int):
        assert 400 <= whole < 500
        answered(plain(http.HTTPStatus(whole), "why"), "GET")
    return given, Refused({"request": 1})


async def _heard(content: bytes, cuts: list[int]) -> Request | int | None:
    """The request, the status of its refusal, or None where it does not come to its end."""
    reader = asyncio.StreamReader(LIMIT)
    reading = asyncio.ensure_future(read_head(reader))
    for first, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
        reader.feed_data(content[first:end])
        await asyncio.sleep(0)
    reader.feed_eof()
    try:
        return await reading
    except RequestError as error:
        return error.status.value


@cache
def _application() -> Any:
    registry = CollectorRegistry()
    Counter("heard", "of packets", registry=registry).inc()
    return make_wsgi_app(registry)


class _Bytes:
    """A socket that has these bytes to be read."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._content)


def answered(response: Response, method: str) -> None:
    sent = response.without_body() if method == "HEAD" else response
    read = http.client.HTTPResponse(_Bytes(sent.encoded()), method=method)  # type: ignore[arg-type]
    read.begin()
    assert (read.status, read.read()) == (response.status.value, sent.body)


def address(rnd: random.Random, _: Path) -> tuple[Input, Refused]:
    """Each reader of addresses takes it or says why not, in a line that prints."""
    given = edge_inputs.address(rnd)
    refused = Refused()
    for read, error in (
        (addresses, ValueError),
        (input_address, BrokerError),
        (lambda x: door([x], 1.0), BrokerError),
    ):
        refused += _told(read, given.content.decode("utf-8", "replace"), error)
    return given, refused


def _told(read: Callable[[str], Any], text: str, kind: type[Exception]) -> Refused:
    said = ""
    try:
        read(text)
    except kind as error:
        said = str(error)
    assert said.isprintable()
    return Refused({"address": 1} if said else {})


# --- tables ------------------------------------------------------------------------------------

_STARTS = tuple("=+-@\t\r\n＝＋－＠")


def table(rnd: random.Random, folder: Path) -> tuple[Input, Refused]:
    """A CSV read back: each packet is a row, texts and labels are guarded, numbers are as they were."""
    given = edge_inputs.packets(rnd)
    rows, content = given.content
    labels = {value: edge_inputs.start(rnd, 20) for value in range(-2, 3)}
    names = [f"{edge_inputs.start(rnd, 3)}{kind}" for kind in "tfe"]
    try:
        (folder / "t.xml").write_text(_xtce(names, labels), encoding="utf-8")
        mdb = load_xtce(folder / "t.xml")
    except MissionError:  # names that XTCE does not have
        return given, Refused({"mission_error": 1})
    scans = [Scanner().feed(content, final=True)]
    out = folder / "t.csv"
    write_tables(scans, compile_plans(mdb, TimeSettings()), out, False, False, False)
    with out.open(newline="", encoding="utf-8") as file:
        header, *found = list(csv.reader(file))
    assert len(found) == len(rows)
    assert not [name for name in header if name.startswith(_STARTS)]
    for cells, (text, number, label) in zip(found, rows, strict=True):
        assert len(cells) == 4
        assert not cells[1].startswith(_STARTS)
        assert cells[1].removeprefix("'") in text.decode("utf-8", "replace") or "'" in cells[1]
        same = float(np.float32(number))
        assert float(cells[2]) == same or math.isnan(same)
        assert not cells[3].startswith(_STARTS) or cells[3] == str(label)
    return given, Refused()


def _xtce(names: list[str], labels: dict[int, str]) -> str:
    of = dict(zip(("T", "F", "E"), names, strict=True))
    enumeration = "".join(
        f'<Enumeration value="{value}" label={quoteattr(label)}/>'
        for value, label in labels.items()
    )
    parameters = "".join(
        f'<Parameter name={quoteattr(name)} parameterTypeRef="{kind}"/>'
        for kind, name in of.items()
    )
    entries = "".join(f"<ParameterRefEntry parameterRef={quoteattr(name)}/>" for name in names)
    return (
        '<SpaceSystem name="S"><TelemetryMetaData><ParameterTypeSet><BinaryParameterType name="H">'
        "<BinaryDataEncoding><SizeInBits><FixedValue>48</FixedValue></SizeInBits></BinaryDataEncoding>"
        '</BinaryParameterType><StringParameterType name="T"><StringDataEncoding><SizeInBits><Fixed>'
        f"<FixedValue>{8 * edge_inputs.TEXT_BYTES}</FixedValue></Fixed></SizeInBits></StringDataEncoding>"
        '</StringParameterType><FloatParameterType name="F"><FloatDataEncoding sizeInBits="32"/>'
        '</FloatParameterType><EnumeratedParameterType name="E"><IntegerDataEncoding sizeInBits="8" '
        f'encoding="twosComplement"/><EnumerationList>{enumeration}</EnumerationList>'
        '</EnumeratedParameterType></ParameterTypeSet><ParameterSet><Parameter name="h" '
        f'parameterTypeRef="H"/>{parameters}</ParameterSet><ContainerSet><SequenceContainer name="C">'
        f'<EntryList><ParameterRefEntry parameterRef="h"/>{entries}</EntryList></SequenceContainer>'
        "</ContainerSet></TelemetryMetaData></SpaceSystem>"
    )
