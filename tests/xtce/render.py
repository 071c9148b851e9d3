"""docs/xtce.md: prose of our own, and two tables that hold what the loader answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import PROJECT
from tests.xtce.ask import PASSED_OVER, REFUSED, SUPPORTED, Answer
from tests.xtce.reasons import PASSED_ATTRIBUTES, PASSED_ELEMENTS
from tests.xtce.schema import Child
from tests.xtce.walk import Walked, beyond, walk

PAGE: Path = PROJECT / "docs" / "xtce.md"
BEGIN = "<!-- from here on made by: python -m tests.xtce -->"
_MANY = 8  # so many places are told as "everywhere"


@dataclass
class Row:
    """One element with one answer, wherever it stands."""

    places: list[str] = field(default_factory=list)
    inner: set[Child] = field(default_factory=set)


def write() -> None:
    PAGE.write_text(page(walk()))


def page(walked: Walked) -> str:
    """The page as it should be: the prose that stands there, and the tables of today."""
    prose = PAGE.read_text().split(BEGIN)[0]
    return f"{prose}{BEGIN}\n\n{elements(walked)}\n{attributes(walked)}"


def elements(walked: Walked) -> str:
    """One row an element and answer; what stands only inside an unsupported one is told there."""
    rows: dict[tuple[str, str, str], Row] = {}
    for (outer, inner), answers in walked.elements.items():
        mixed = len({(a.verdict, a.message) for a in answers.values()}) > 1
        for path, answer in answers.items():
            said = _said(answer, PASSED_ELEMENTS.get(inner.name, ""), inner.name, outer.name)
            row = rows.setdefault((inner.name, answer.verdict, said), Row())
            row.inner.add(inner)
            row.places.append(f"{outer.name} of {path[-2].name}" if mixed else outer.name)
    lots = _lots(walked, {name for name, _, _ in rows})
    names = [name for name, _, _ in rows]
    lines = []
    for (name, verdict, said), row in sorted(
        rows.items(), key=lambda item: names.index(item[0][0])
    ):
        places = _places(row.places, everywhere=names.count(name) == 1)
        lot = _lot(row.inner, lots) if verdict != SUPPORTED else ""
        lines.append((f"`{name}`", places, verdict, f"{said} {lot}".strip()))
    return "## Elements\n\n" + _table(("element", "inside", "verdict", "what is said of it"), lines)


def attributes(walked: Walked) -> str:
    """One row an attribute and answer; of enumerated ones, which words."""
    words: dict[tuple[str, str, str, str], list[str]] = {}
    for (outer, name, word), answer in walked.attributes.items():
        verdict = attribute_verdict(name, answer)
        told = Answer(verdict, answer.message.replace(f"'{word}'" if word else "\0", "'…'"))
        said = _said(told, PASSED_ATTRIBUTES.get(name, ""), outer.name)
        words.setdefault((name, verdict, said, outer.name), []).extend(
            [word] if word and word not in words.get((name, verdict, said, outer.name), []) else []
        )
    places: dict[tuple[str, str, str, tuple[str, ...]], list[str]] = {}
    for (name, verdict, said, outer_name), of in words.items():
        places.setdefault((name, verdict, said, tuple(of)), []).append(outer_name)
    lines = [
        (
            f"`{name}`",
            _places(of, everywhere=False),
            verdict,
            f"{', '.join(f'`{w}`' for w in told)} {said}".strip(),
        )
        for (name, verdict, said, told), of in sorted(places.items())
    ]
    head = ("attribute", "of", "verdict", "words, and what is said of it")
    return "## Attributes\n\n" + _table(head, lines)


def attribute_verdict(name: str, answer: Answer) -> str:
    """An attribute is supported where the loader took it, not where it only let it stand."""
    if answer.verdict == REFUSED:
        return REFUSED
    return SUPPORTED if name in answer.read else PASSED_OVER


def _said(answer: Answer, reason: str, name: str, outer: str = "") -> str:
    """Why it is passed over, or the loader's message without the names that the row has."""
    if answer.verdict != REFUSED:
        return reason if answer.verdict == PASSED_OVER else ""
    message = answer.message.removeprefix(f"<{name}> ")
    return f"`{message.replace(f'inside <{outer}>', 'inside <…>')}`"


def _lots(walked: Walked, told: set[str]) -> dict[Child, set[str]]:
    """Names that have no row of their own, by the unsupported element in which they stand."""
    lots: dict[Child, set[str]] = {}
    for (_, inner), lot in beyond(walked).items():
        if inner.name not in told:
            lots.setdefault(lot, set()).add(inner.name)
    return lots


def _lot(inner: set[Child], lots: dict[Child, set[str]]) -> str:
    names = sorted({name for child in inner for name in lots.get(child, ())})
    return f"With it: {', '.join(f'`{n}`' for n in names)}." if names else ""


def _places(places: Iterable[str], everywhere: bool) -> str:
    names = sorted(set(places))
    return "everything that may hold it" if everywhere and len(names) > _MANY else ", ".join(names)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(
        f"| {' | '.join(c.replace('|', chr(92) + '|') for c in line)} |\n" for line in lines
    )
