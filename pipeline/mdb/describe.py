"""What must be known of a parameter before its type is read: kind, labels, character set."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import MissionError
from pipeline.mdb.names import Scope, split_path, steps_of
from pipeline.mdb.xml import Element
from schemas.mission import Reference

MAX_LABELS = 65536
MAX_BASES = 100


@dataclass(frozen=True, slots=True)
class Described:
    """kind: the type's tag without ParameterType."""

    kind: str
    labels: tuple[tuple[int, str], ...]
    charset: str


def describe(scope: Scope, element: Element, reference: Reference) -> Described:
    """Describe the parameter, or the member or element of one, that a reference points to."""
    key, path = split_path(reference.parameter)
    parameter, scope = scope.names.items["parameter"][key]
    here, there = scope.type_of(parameter, "parameterTypeRef")
    for member, _ in steps_of(element, path):
        if member:
            found = [m for m in here.find("MemberList", "Member") if m.name == member]
            if not found:
                raise element.refuse(f"{key} has no member {member!r}.")
            here, there = there.type_of(found[0], "typeRef")
        elif here.tag == "ArrayParameterType":
            here, there = there.type_of(here, "arrayTypeRef")
        # else the index selects one of several repetitions of an entry
    return _of_type(here, there)


def _of_type(element: Element, scope: Scope) -> Described:
    element = extend(element, scope)
    labels: tuple[tuple[int, str], ...] = ()
    if element.tag == "EnumeratedParameterType":
        labels = labels_of(element)
    elif element.tag == "BooleanParameterType":
        labels = boolean_labels(element)
    texts = element.find("StringDataEncoding")
    charset = texts[0].attribute("encoding", "UTF-8") if texts else "UTF-8"
    kind = element.tag.removesuffix("ParameterType")
    if texts:  # its value is read after all conditions: they compare the text as sent
        kind, labels = "String", ()
    return Described(kind, labels, charset)


def extend(element: Element, scope: Scope) -> Element:
    """The element, completed by its base type (`baseType`), if it has one."""
    return _extended(element, scope, ())[0]


def _extended(element: Element, scope: Scope, above: tuple[str, ...]) -> tuple[Element, int]:
    """The same, and how many bases it stands on. above: the types that stand on it."""
    if not element.has("baseType"):
        return element, 0
    key = scope.the("parameter type", element, "baseType")
    if key in above:
        raise element.refuse(f"extends itself: {' → '.join((*above, key))}.")
    base, there = scope.names.items["parameter type"][key]
    if base.tag != element.tag:
        raise element.refuse(f"extends {key}, which is a {base.tag}.")
    known = scope.names.extended
    if key not in known:
        if len(above) == MAX_BASES:
            raise _too_deep(element)
        try:
            known[key] = _extended(base, there, (*above, key))
        except MissionError as error:
            known[key] = error
    if isinstance(found := known[key], MissionError):
        raise found
    whole, bases = found
    if bases == MAX_BASES:
        raise _too_deep(element)
    return element.extending(whole), bases + 1


def _too_deep(element: Element) -> MissionError:
    return element.refuse(f"stands on more than {MAX_BASES} base types, one on another.")


def boolean_labels(element: Element) -> tuple[tuple[int, str], ...]:
    return (
        (0, element.attribute("zeroStringValue", "False")),
        (1, element.attribute("oneStringValue", "True")),
    )


EXACT = 2**53 - 1  # up to it a float holds every whole number exactly


def labels_of(element: Element) -> tuple[tuple[int, str], ...]:
    lists = element.find("EnumerationList")
    if not lists:
        raise element.refuse("needs an EnumerationList.")
    labels: dict[int, str] = {}
    for item in lists[0].children("Enumeration"):
        item.only_attributes("value", "maxValue", "label")
        first = item.integer("value")
        last = item.integer("maxValue", str(first))
        if max(abs(first), abs(last)) > EXACT:  # values are compared as floats
            raise item.refuse(f"value {first}: labels of values beyond 2^53 are not supported.")
        if not 0 <= last - first < MAX_LABELS - len(labels):
            raise item.refuse(f"values {first} to {last}: at most {MAX_LABELS} are labelled.")
        for value in range(first, last + 1):
            if value in labels:
                raise item.refuse(f"value {value} has two labels.")
            labels[value] = item.attribute("label")
    return tuple(sorted(labels.items()))
