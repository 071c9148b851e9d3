"""Names of a database and the one rule by which references find them (XTCE 1.2, NameReference).

A key is the path below the root SpaceSystem: `NAME`, or `SUB/NAME` of a nested one. A reference is
absolute (`/Root/SUB/NAME`), or relative to its SpaceSystem (`NAME`, `./NAME`, `../SUB/NAME`); a
bare one that is not found there is looked for in the SpaceSystems around it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pipeline.errors import MissionError
from pipeline.mdb.xml import Element
from schemas.mission import Reference

KINDS = ("parameter type", "parameter", "container")
_PART = re.compile(r"([^.\[]*)(.*)", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


@dataclass(slots=True)
class Names:
    """Elements by kind and key; `root` is the root SpaceSystem's name. notes: one
    line for each thing that is read differently from what the file says."""

    root: str
    items: dict[str, dict[str, tuple[Element, Scope]]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )
    notes: list[str] = field(default_factory=list)
    # of each type that others extend: itself with its bases and their number, or why not
    extended: dict[str, tuple[Element, int] | MissionError] = field(default_factory=dict)

    def add(self, kind: str, element: Element, scope: Scope) -> None:
        key = scope.key(element.name)
        if key in self.items[kind]:
            raise element.refuse(f"a second {kind} of this name.")
        if _PART.fullmatch(element.name).group(2) or "/" in element.name or not element.name:  # type: ignore[union-attr]
            raise element.refuse("a name holds none of / . [ ] (XTCE NameType).")
        self.items[kind][key] = (element, scope)

    def find(self, kind: str, text: str, system: tuple[str, ...]) -> str | None:
        """Key of a reference, or None. A member path behind a parameter's name is kept.

        `A/b` also means member b of an aggregate A, as the OMG's schema and Yamcs write it, if no
        SpaceSystem A holds a parameter b.
        """
        *steps, last = text.split("/")
        name, path = _PART.fullmatch(last).groups() if kind == "parameter" else (last, "")  # type: ignore[union-attr]
        here: tuple[str, ...] = system
        if steps and steps[0] == "":  # absolute
            if steps[1:2] != [self.root]:
                return None
            here, steps = (), steps[2:]
            around: list[tuple[str, ...]] = [here]
        elif steps and steps[0] in (".", ".."):
            around = [here]
        else:
            around = [here[:n] for n in range(len(here), -1, -1)]
        for start in around:
            place: list[str] = list(start)
            outermost = len(place)  # names after it may be a parameter and its members
            for step in steps:
                if step == "..":
                    if not place:
                        return None
                    place.pop()
                    outermost = min(outermost, len(place))
                elif step != ".":
                    place.append(step)
            every = (*place, name)
            least = outermost if kind == "parameter" else len(every) - 1
            for k in range(len(every), least, -1):
                key = "/".join(every[:k])
                if key in self.items[kind]:
                    return key + "".join(f".{member}" for member in every[k:]) + path
        return None


@dataclass(frozen=True, slots=True)
class Scope:
    """One SpaceSystem, as the place from which references are followed."""

    names: Names
    system: tuple[str, ...]

    def key(self, name: str) -> str:
        return "/".join((*self.system, name))

    def qualified(self, key: str) -> str:
        return f"/{self.names.root}/{key}"

    def the(self, kind: str, element: Element, attribute: str) -> str:
        """Key of what an attribute refers to. MissionError where it is not there."""
        text = element.attribute(attribute)
        key = self.names.find(kind, text, self.system)
        if key is None:
            raise element.refuse(f"there is no {kind} {text!r}.")
        return key

    def parameter(self, element: Element) -> str:
        return self.the("parameter", element, "parameterRef")

    def reference(self, element: Element, *more: str) -> Reference:
        """A ParameterInstanceRef, of the newest instance."""
        element.only_attributes("parameterRef", "instance", "useCalibratedValue", *more)
        element.choice("instance", "0", "0")
        return Reference(self.parameter(element), element.flag("useCalibratedValue", "true"))

    def type_of(self, element: Element, attribute: str) -> tuple[Element, Scope]:
        return self.names.items["parameter type"][self.the("parameter type", element, attribute)]


def split_path(key: str) -> tuple[str, str]:
    """Key of a parameter, and the path of members and indexes behind it."""
    path = _PART.fullmatch(key.rsplit("/", 1)[-1]).group(2)  # type: ignore[union-attr]
    return key.removesuffix(path), path


def steps_of(element: Element, path: str) -> list[tuple[str, int]]:
    """`.member[2]` as [("member", 0), ("", 2)]. MissionError for anything else."""
    steps = [(m.group(1) or "", int(m.group(2) or 0)) for m in _STEP.finditer(path)]
    if _STEP.sub("", path):
        raise element.refuse(f"{path!r} is no path of members and indexes.")
    return steps
