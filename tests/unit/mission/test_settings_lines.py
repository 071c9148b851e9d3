"""A mistake in mission.toml is told with the line that it stands in."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import MissionError, Place, SettingsError
from pipeline.mission.folder import load_mission
from pipeline.mission.lines import line_of, lines
from tests.conftest import PROJECT

HL1 = PROJECT / "missions" / "demo" / "hl1.xml"

TEXT = r'''# [time]
name = "x"  # time.epoch = 1
ignore = [
  "A",  # ]
  "B]", 'C"', # [time]
]
text = """
[time]
lateness_s = -1 \""" """""
raw = \'\'\'
[alarms.A]
deadband = "\'\'\'\'
time . "epoch" = 1958-01-01 00:00:00
flat = [{match = "}", changes = 1}, {changes = 2.5}]
residual = [
  {match = "a"},

  {match = "b", "half\u005flife_s" = 1.5},
]
alarms.A.deadband = 1
alarms.A.watch = [0,
  1]
alarms."A.B" = { watch = [1, 2], min_s = 1 }

[[resample]]
hz = 1
[[ "resample" ]]  # [[resample]]
match = "["
hz = 2

  [resample.inner]
hz = 3
[[resample.items]]
[[resample]]
[[resample.items]]
[[resample.items]]
a = 5
[gap.table]
x = 1
[gap]
y = 1
'''.replace("\\'", "'")
PLACES: list[tuple[Place, int | None]] = [
    (("name",), 2),
    (("ignore",), 3), (("ignore", 0), 4), (("ignore", 1), 5), (("ignore", 2), 5),
    (("text",), 7), (("raw",), 10),
    (("time",), 13), (("time", "epoch"), 13),
    (("flat",), 14), (("flat", 1), 14), (("flat", 1, "changes"), 14),
    (("residual",), 15), (("residual", 0), 16), (("residual", 0, "match"), 16),
    (("residual", 1), 18), (("residual", 1, "half_life_s"), 18),
    (("alarms",), 20), (("alarms", "A"), 20), (("alarms", "A", "deadband"), 20),
    (("alarms", "A", "watch"), 21), (("alarms", "A", "watch", 0), 21),
    (("alarms", "A", "watch", 1), 22),
    (("alarms", "A.B"), 23), (("alarms", "A.B", "watch", 1), 23), (("alarms", "A.B", "min_s"), 23),
    (("resample",), 25), (("resample", 0), 25), (("resample", 0, "hz"), 26),
    (("resample", 1), 27), (("resample", 1, "match"), 28), (("resample", 1, "hz"), 29),
    (("resample", 1, "inner"), 31), (("resample", 1, "inner", "hz"), 32),
    (("resample", 1, "items", 0), 33), (("resample", 2), 34),
    (("resample", 2, "items"), 35), (("resample", 2, "items", 1), 36),
    (("resample", 2, "items", 1, "a"), 37),
    (("gap",), 40), (("gap", "table"), 38), (("gap", "table", "x"), 39), (("gap", "y"), 41),
    # what is not there: the nearest thing around it
    (("time", "lateness_s"), 13), (("resample", 0, "match"), 25), (("alarms", "Z"), 20),
    (("resample", 9, "hz"), 25), (("alarms", "A", "latch", 3), 20),
    (("statistics", 0, "pane_s"), None), ((), None),
]  # fmt: skip


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize(("place", "line"), PLACES, ids=str)
def test_the_line_of_a_place(place: Place, line: int | None, ends: str) -> None:
    text = TEXT.replace("\n", ends)
    tomllib.loads(text)
    assert line_of(text, place) == line


def test_nothing_else_is_found() -> None:
    places = {place for place, _ in leaves(tomllib.loads(TEXT))}
    places |= {("resample", 1, "items", 0), ("resample", 2, "items", 0)}  # empty tables
    around = {place[:n] for place in places for n in range(1, len(place) + 1)}
    assert lines(TEXT).keys() == around


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "a = 1", "\t[a]", "a={}", "a=[]"])
def test_short_texts(text: str) -> None:
    assert set(lines(text).values()) <= {1}
    assert len(lines(text)) == len(tomllib.loads(text))


def test_lists_in_lists_as_deep_as_they_parse() -> None:
    depth = 200
    assert lines(f"\nx = {'[' * depth}{']' * depth}")[("x",)] == 2


@pytest.mark.parametrize("mission", sorted((PROJECT / "missions").glob("*/mission.toml")), ids=str)
def test_our_missions(mission: Path) -> None:
    text = mission.read_text()
    found = lines(text)
    for place, _ in leaves(tomllib.loads(text)):
        key = [part for part in place if isinstance(part, str)][-1]
        assert re.search(rf"(^|\.){key} = ", text.splitlines()[found[place] - 1])


# --- drawn: every value holds a number that stands once in the text ---------------------------

KEYS = (
    "k{}",
    '"k{}"',
    "'k{}'",
    '"k.{}"',
    "'#[k]{}'",
    '"\\u006b\\"{}"',
    "a{0}.b.k",
    "c{0} . \"=\" . 'k'",
)
TEXTS = (
    '"{}"', "'{}'", '"{} \\" # ]"', "'{} \\'", '"""{}"""', '"""{}\n[time]\nk = 1 # " ""\n\\""" """""',
    "'''{}\n[[resample]]\nk = '' \"\"\"\n'''''", '"""{} \\\n  ]}}""""', "'''{}''''",
)  # fmt: skip
HEADERS = (
    "[t{}]", "[ alarms . 'x.{}' ]", '[alarms."\\u0041 {}"]', "[[resample]]", "[[ resample ]]",
    "[[resample.items]]", "[resample.t{}]", "[list.of.t{}]", "[[list.items]]",
)  # fmt: skip
BETWEEN = (", ", ",", " ,\n", ",\n\n  # ], 'comment'\n  ")


class Drawing:
    def __init__(self, draw: st.DrawFn) -> None:
        self.number = itertools.count(100_000)
        self.one = lambda options: draw(st.sampled_from(options))

    def value(self, depth: int = 0) -> str:
        kind = self.one(("number", "text", "list", "table") if depth < 3 else ("number", "text"))
        if kind == "number":
            return self.one(("{}", "-{}.5", "{}e3", "{}.25e-1")).format(next(self.number))
        if kind == "text":
            return self.one(TEXTS).format(next(self.number))
        size = self.one((0, 1, 2, 3))
        if kind == "table":
            pairs = ", ".join(self.pair(depth + 1) for _ in range(size))
            return f"{{ {pairs} }}"
        items = "".join(self.value(depth + 1) + self.one(BETWEEN) for _ in range(size))
        return self.one(("[{}]", "[ {}]", "[\n{}]")).replace("{}", items)

    def pair(self, depth: int = 0) -> str:
        return f"{self.one(KEYS).format(next(self.number))} = {self.value(depth)}"

    def table(self, header: str) -> str:
        """Its number stands in the line behind the header."""
        ends = ("\n", " # k = [\n", "\n\n")
        pairs = "".join(self.pair() + self.one(ends) for _ in range(self.one((0, 1, 3))))
        return f"{header.format(next(self.number))}\nid = {next(self.number)}\n{pairs}"


@st.composite
def toml(draw: st.DrawFn) -> str:
    drawing = Drawing(draw)
    headers = draw(st.lists(st.sampled_from(HEADERS), max_size=6))
    return drawing.table("# {}") + "".join(
        drawing.table(h) for h in ("[[resample]]", "[other]", *headers)
    )


def leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    if not isinstance(value, dict | list):
        yield place, value
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield from leaves(inner, (*place, key))


@given(toml())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_named_line_holds_the_key(text: str) -> None:
    found = lines(text)
    rows = text.split("\n")
    written = {}  # line by the number in it
    for line, row in enumerate(rows, 1):
        for number in re.findall(r"\d{6}", row):
            assert written.setdefault(number, line) == line
    for place, value in leaves(tomllib.loads(text)):
        digits = re.sub(r"\D", "", value if isinstance(value, str) else f"{abs(value):.9e}")
        assert found[place] == written[digits[:6]]
        if place[-1] == "id" and len(place) > 1:
            assert found[place[:-1]] == found[place] - 1
            assert rows[found[place[:-1]] - 1].startswith("[")


# --- what a person is told --------------------------------------------------------------------

TOLD = [
    ('name = "x"\n\n[time]\nlateness_s = -1', ":4: [time]: lateness_s = -1.0 must be 0 to"),
    ('name = "x"\ntime.lateness_s = -1', ":2: [time]: lateness_s = -1.0 must be 0 to"),
    ('name = "x"\n[time]\n\nepok = "1970"', ":4: [time]: 'epok' is unknown; known are"),
    ('name = "x"\n[time]\nsilence_s = nan', ":3: [time]: silence_s = nan must be finite."),
    ('name = "x"\n[time]\n# a\nday = "PC"', ":2: [time]: day, milliseconds or microseconds needs"),
    ('name = "x"\n[time]\nepoch = "noon"', ":3: [time]: epoch = 'noon' is no ISO date."),
    ('name = "x"\n[time]\nepoch = "2000-01-01"\nday = "NO"', ":4: [time]: day = 'NO' is not in"),
    ('name = "x"\n[time]\nparameter = "PC"', ":3: [time]: parameter = 'PC' is no AbsoluteTime"),
    ('name = "x"\n[time]\nparameter = "T"\nepoch = "2000-01-01"\nday = "DOY"',
     ":3: [time]: takes a parameter or a composite, not both."),
    ('colour = 1\nname = "x"', ":1: 'colour' is unknown; known are name,"),
    ('\nname = 5', ":2: name = 5 is not of type str."),
    ('source = "x"', ": name must be given."),
    ('name = "x"\nignore = "A"', ":2: ignore = 'A' must be a list of texts"),
    ('name = "x"\nsegmented_apids = 5', ":2: segmented_apids = 5 must be a list"),
    ('name = "x"\nsegmented_apids = [1,\n2047]', ":2: segmented_apids must be numbers from"),
    ('name = "x"\nquantiles = [0.5, 0.1]', ":2: quantiles must rise from 0 to 1."),
    ('name = "x"\n[outputs]\nperiod_s = 0', ":3: [outputs]: period_s = 0.0 must be 0.001 to"),
    ('name = "x"\n[outputs]\nsamples = "all"', ":3: [outputs]: samples = 'all' is none of engineering, raw, "),
    ('name = "x"\n[outputs]\nstatistics = "csv"', ":3: [outputs]: statistics = 'csv' is none of columns, "),
    ('name = "x"\noutputs = "all"', ":2: outputs = 'all' must be a table, [outputs]."),
    ('name = "x"\ngauges = [\n"PC",\n"NO*",\n]', ":4: 'NO*' matches no parameter of"),
    ('name = "x"\n[[resample]]\n[[resample]]\n\nhz = 0',
     ":5: [[resample]] number 2: hz = 0.0 must be above 0"),
    ('name = "x"\n[[resample]]\nhz = 100000', ":2: [[resample]] number 1: max_age_s = 5.0 at"),
    ('name = "x"\n[[resample]]\nmethod = "x"', ":3: [[resample]] number 1: method 'x' is none of"),
    ('name = "x"\n[[residual]]\nmatch = "PC"\n[[residual]]\nmatch = "NO"',
     ":5: [[residual]] number 2: 'NO' matches no parameter of"),
    ('name = "x"\nresidual = [\n{},\n{half_life_s = 0}]',
     ":4: [[residual]] number 2: half_life_s = 0.0 must be above 0."),
    ('name = "x"\n[[time_to_limit]]\nmemory_s = -1', ":3: [[time_to_limit]] number 1: memory_s = -1"),
    ('name = "x"\n[[flat]]\nmin_seconds = 1e300', ":3: [[flat]] number 1: min_seconds = 1e+300"),
    ('name = "x"\n[[statistics]]\nwindow_s = 1', ":2: [[statistics]] number 1: pane_s must be given."),
    ('name = "x"\n[[statistics]]\nwindow_s = 25\npane_s = 10',
     ":3: [[statistics]] number 1: window_s = 25.0 is no whole number"),
    ('name = "x"\n[[statistics]]\nwindow_s = 1e-4\npane_s = 1e-4',
     ":4: [[statistics]] number 1: pane_s = 0.0001 is below"),
    ('name = "x"\n[[statistics]]\nwindow_s = 70000\npane_s = 70000',
     ":4: [[statistics]] number 1: a pane of 70000.0 s at 1.0 Hz holds more"),
    ('name = "x"\n[[resample]]\nhz = 2000', ":3: [[resample]] number 1: a pane of 60 s at 2000.0"),
    ('name = "x"\n[alarms.PC]\ndeadband = -1', ":3: [alarms.PC]: deadband = -1 must be a number"),
    ('name = "x"\n[alarms.PC]\nwarning = [1]', ":3: [alarms.PC]: warning must be [low, high]."),
    ('name = "x"\n[alarms.PC]\nwarning = [2, 1]', ":3: [alarms.PC]: warning: 2.0 is above 1.0."),
    ('name = "x"\n[alarms.PC]\npurple = [1, 2]', ":3: [alarms.PC]: 'purple' is unknown."),
    ('name = "x"\n[alarms.PC]\nmin_s = 1e300', ":3: [alarms.PC]: min_s = 1e+300 must be 0 to"),
    ('name = "x"\n[alarms.PC]\n\nwarning = [0, 1]', ":2: [alarms.PC]: the XTCE has alarm ranges"),
    ('name = "x"\nalarms.PC.latch = true\n[alarms."N O"]', ':3: [alarms."N O"]: no such parameter in'),
    ('name = "x"\nalarms.NO.latch = true', ":2: [alarms.NO]: no such parameter in"),
    ('name = "x"\nalarms.PC.warning = [1,\n07:32:00]', ":3: [alarms.PC]: warning: datetime.time"),
    ('name = "x"\nx = [\n[[[[1]]]]]', ":3: x: tables and lists nested deeper than 4."),
    (f'name = "x"\nquantiles = [{2**63}]', ":2: quantiles: a number of more than 64 bits."),
    ('name = "x"\ngauges = [\n"a\\u0000"]', ":3: gauges: 'a\\x00' holds a NUL."),
    ('name = "x"\n"a\\u0000" = 1', ":2: the key 'a\\x00' holds a NUL."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), TOLD, ids=[says for _, says in TOLD])
def test_a_person_is_told_the_line(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "mission.toml"
    path.write_text(text)
    with pytest.raises(MissionError) as error:
        load_mission(tmp_path, HL1)
    assert str(error.value).startswith(f"{path}{says}")
    assert not isinstance(error.value, SettingsError)


def test_what_has_no_line_is_told_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "mission.toml").write_text('name = "x"\n')
    with pytest.raises(MissionError, match=r"mission\.toml: no XTCE: add"):
        load_mission(tmp_path)


def test_a_database_of_nothing_is_told_by_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "mission.toml").write_text('name = "x"\nxtce = "x.xml"\n')
    (tmp_path / "x.xml").write_text(
        '<SpaceSystem name="S"><TelemetryMetaData><ContainerSet><SequenceContainer name="C">'
        "<EntryList/></SequenceContainer></ContainerSet></TelemetryMetaData></SpaceSystem>"
    )
    with pytest.raises(MissionError, match=r"x\.xml: has no parameters\."):
        load_mission(tmp_path)
