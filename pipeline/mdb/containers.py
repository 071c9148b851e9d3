"""XTCE sequence containers: entries, inheritance, restriction criteria."""

from __future__ import annotations

from pipeline.mdb.xml import Element
from schemas.mission import Comparison, Container, Entry, Parameter

_OPERATORS = ("==", "!=", "<", "<=", ">", ">=")


def read_container(element: Element, parameters: dict[str, Parameter], system: str) -> Container:
    """One SequenceContainer; its references to containers are checked by the caller."""
    element.only_attributes("abstract")
    parts = {c.tag: c for c in element.children("EntryList", "BaseContainer")}
    if "EntryList" not in parts:
        raise element.refuse("needs an EntryList.")
    base: str | None = None
    restriction: tuple[Comparison, ...] = ()
    if "BaseContainer" in parts:
        base, restriction = _base(parts["BaseContainer"], parameters, system)
    return Container(
        element.name,
        f"/{system}/{element.name}",
        element.flag("abstract", "false"),
        base,
        restriction,
        tuple(_entry(e, parameters, system) for e in _entries(parts["EntryList"])),
    )


def _entries(element: Element) -> list[Element]:
    return list(element.children("ParameterRefEntry", "ContainerRefEntry"))


def _entry(element: Element, parameters: dict[str, Parameter], system: str) -> Entry:
    element.child(required=False)  # conditions, repetitions and locations are refused here
    if element.tag == "ContainerRefEntry":
        element.only_attributes("containerRef")
        return Entry("container", element.reference("containerRef", system))
    element.only_attributes("parameterRef")
    return Entry("parameter", _parameter(element, parameters, system).name)


def _base(
    element: Element, parameters: dict[str, Parameter], system: str
) -> tuple[str, tuple[Comparison, ...]]:
    element.only_attributes("containerRef")
    criteria = element.child("RestrictionCriteria", required=False)
    comparisons: tuple[Comparison, ...] = ()
    if criteria is not None:
        one = criteria.the("Comparison", "ComparisonList")
        many = list(one.children("Comparison")) if one.tag == "ComparisonList" else [one]
        comparisons = tuple(_comparison(c, parameters, system) for c in many)
    return element.reference("containerRef", system), comparisons


def _comparison(element: Element, parameters: dict[str, Parameter], system: str) -> Comparison:
    element.only_attributes(
        "parameterRef", "comparisonOperator", "value", "useCalibratedValue", "instance"
    )
    element.choice("instance", "0", "0")
    parameter = _parameter(element, parameters, system)
    if parameter.type.kind in ("binary", "time"):
        raise element.refuse(f"comparison with a {parameter.type.kind} is not supported.")
    calibrated = element.flag("useCalibratedValue", "true")
    operator = element.choice("comparisonOperator", "==", *_OPERATORS)
    text = element.attribute("value")
    if calibrated and parameter.type.labels:
        values = {label: raw for raw, label in parameter.type.labels}
        if text not in values:
            raise element.refuse(f"{parameter.name} has no label {text!r}.")
        return Comparison(parameter.name, operator, values[text], False)
    try:
        value: int | float = int(text, 0)
    except ValueError:
        value = element.number("value")
    scaled = calibrated and bool(parameter.type.calibrator)
    return Comparison(parameter.name, operator, value, scaled)


def _parameter(element: Element, parameters: dict[str, Parameter], system: str) -> Parameter:
    name = element.reference("parameterRef", system)
    if name not in parameters:
        raise element.refuse(f"there is no parameter {name!r}.")
    return parameters[name]
