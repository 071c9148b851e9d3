"""XTCE algorithms that compute parameters: MathAlgorithm, CustomAlgorithm in our expressions."""

from __future__ import annotations

from pipeline.mdb.criteria import check_formula, numeric, read_formula
from pipeline.mdb.expression import LANGUAGE, ExpressionError, postfix
from pipeline.mdb.names import Scope
from pipeline.mdb.xml import Element
from schemas.mission import Derived, Formula, Reference


def of_the_ground(element: Element) -> str:
    """Language of an algorithm that only a ground system can run; empty for our own."""
    if element.tag != "CustomAlgorithm":
        return ""
    languages = [t.attribute("language", "pseudo") for t in element.find("AlgorithmText")]
    return next((language for language in languages if language != LANGUAGE), "")


def read_algorithm(element: Element, scope: Scope) -> Derived:
    """One child of AlgorithmSet."""
    return _math(element, scope) if element.tag == "MathAlgorithm" else _custom(element, scope)


def _math(element: Element, scope: Scope) -> Derived:
    element.only_attributes()
    operation = element.the("MathOperation")
    operation.only_attributes("outputParameterRef")
    triggers = operation.find("TriggerSet")
    name = scope.the("parameter", operation, "outputParameterRef")
    formula = read_formula(operation, scope, this=False)
    return Derived(element.name, name, formula, _triggers(triggers, scope, formula))


def _custom(element: Element, scope: Scope) -> Derived:
    element.only_attributes()
    parts = {
        c.tag: c for c in element.children("AlgorithmText", "InputSet", "OutputSet", "TriggerSet")
    }
    for tag in ("AlgorithmText", "OutputSet"):
        if tag not in parts:
            raise element.refuse(f"needs an {tag}.")
    text = parts["AlgorithmText"]
    text.only_attributes("language")
    text.choice("language", "pseudo", LANGUAGE)
    names: dict[str, Reference | float] = {}
    inputs = (
        parts["InputSet"].children("InputParameterInstanceRef", "Constant")
        if ("InputSet" in parts)
        else ()
    )
    for item in inputs:
        if item.tag == "Constant":
            item.only_attributes("constantName", "value")
            names[item.attribute("constantName")] = item.number("value")
            continue
        found = numeric(item, scope, "inputName")
        names[item.attribute("inputName", item.attribute("parameterRef"))] = found
    try:
        tokens = postfix(text.text, names)
    except ExpressionError as error:
        raise text.refuse(str(error)) from None
    check_formula(text, tokens)
    output = parts["OutputSet"].the("OutputParameterRef")
    output.only_attributes("parameterRef", "outputName")
    formula = Formula(tuple(tokens))
    triggers = [parts["TriggerSet"]] if "TriggerSet" in parts else []
    return Derived(
        element.name, scope.parameter(output), formula, _triggers(triggers, scope, formula)
    )


def _triggers(found: list[Element], scope: Scope, formula: Formula) -> tuple[str, ...]:
    """Parameters whose update runs the algorithm: those of its TriggerSet, else all inputs."""
    if not found:
        inputs = (t.parameter for t in formula.tokens if isinstance(t, Reference))
        return tuple(dict.fromkeys(inputs))
    found[0].only_attributes("triggerRate")
    triggers = []
    for item in found[0].children("OnParameterUpdateTrigger"):
        item.only_attributes("parameterRef")
        triggers.append(scope.parameter(item))
    return tuple(triggers)
