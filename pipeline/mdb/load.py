"""Load an XTCE 1.2 file into a MissionDatabase."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pipeline.mdb.circles import MAX_NESTED, refuse_calibrators, refuse_nested, refuse_waiting
from pipeline.mdb.containers import read_container
from pipeline.mdb.derived import of_the_ground, read_algorithm
from pipeline.mdb.faults import Faults
from pipeline.mdb.floods import refuse_floods
from pipeline.mdb.names import Names, Scope
from pipeline.mdb.types import TYPES, read_type
from pipeline.mdb.xml import Element, parse, version_notes
from schemas.mission import (
    Container,
    Derived,
    MissionDatabase,
    Parameter,
    ParameterType,
)

_PASSED_OVER = {  # they change no value of a packet
    "StreamSet": "says how frames come",
    "MessageSet": "names containers once more",
}
_SETS = ("ParameterTypeSet", "ParameterSet", "ContainerSet", "AlgorithmSet")


def load_xtce(
    path: str | Path, root: str = "", subsystems: Sequence[str | Path] = ()
) -> MissionDatabase:
    """Read a file's SpaceSystems, and those it includes. One MissionError lists all that is not
    supported, a line each (file, line, element).

    root: name of the root container, where the database does not determine it.
    subsystems: further files, whose SpaceSystems are put inside that of the first.
    """
    system, content = parse(path, subsystems)
    if system.tag != "SpaceSystem":
        raise system.refuse("the root of an XTCE file is a SpaceSystem.")
    names = Names(system.name)
    algorithms: list[tuple[Element, Scope]] = []
    notes, faults = version_notes(system), Faults()
    for here, scope in _systems(system, Scope(names, ())):
        with faults.kept():
            for item, at in _collect(here, scope, notes):
                algorithms.append((item, at))
    if not names.items["container"]:
        faults.end()
        raise system.refuse(
            "needs a ContainerSet: XTCE 1.2 asks for none, and without containers there is "
            "nothing that Heartline could decode."
        )
    parameters = _parameters(names, faults)
    containers: dict[str, Container] = {}
    for key, (element, scope) in names.items["container"].items():
        with faults.kept():
            containers[key] = read_container(element, scope)
    faults.end()
    refuse_nested(names, containers)
    refuse_floods(names, containers)
    return MissionDatabase(
        system.name,
        parameters,
        containers,
        _root(system, containers, root, names),
        hashlib.sha256(content).hexdigest(),
        str(path),
        _derived(algorithms, parameters, names.notes),
        (*notes, *names.notes),
    )


def _systems(element: Element, scope: Scope) -> list[tuple[Element, Scope]]:
    """This SpaceSystem and those inside it, outermost first."""
    if len(scope.system) > MAX_NESTED:
        raise element.refuse(f"SpaceSystems nested deeper than {MAX_NESTED}.")
    element.only_attributes("schemaLocation", "operationalStatus", "base")
    found = [(element, scope)]
    for inner in element.find("SpaceSystem"):
        found += _systems(inner, Scope(scope.names, (*scope.system, inner.name)))
    return found


def _collect(element: Element, scope: Scope, notes: list[str]) -> list[tuple[Element, Scope]]:
    """Register the names of one SpaceSystem for references; returns its algorithms."""
    algorithms = []
    for part in element.children("TelemetryMetaData", "CommandMetaData", "SpaceSystem"):
        if part.tag == "CommandMetaData":
            notes.append(part.tell("the command side is passed over: Heartline reads telemetry."))
        if part.tag != "TelemetryMetaData":
            continue
        for group in part.children(*_SETS, *_PASSED_OVER):
            if group.tag in _PASSED_OVER:
                notes.append(group.tell(f"{_PASSED_OVER[group.tag]}: passed over."))
                continue
            if group.tag == "AlgorithmSet":
                algorithms += [
                    (a, scope) for a in group.children("MathAlgorithm", "CustomAlgorithm")
                ]
                continue
            kind, tags = {
                "ParameterTypeSet": ("parameter type", TYPES),
                "ParameterSet": ("parameter", ("Parameter",)),
                "ContainerSet": ("container", ("SequenceContainer",)),
            }[group.tag]
            for item in group.children(*tags):
                scope.names.add(kind, item, scope)
    return algorithms


def _parameters(names: Names, faults: Faults) -> dict[str, Parameter]:
    types: dict[str, ParameterType] = {}
    for key, (element, scope) in names.items["parameter type"].items():
        with faults.kept():
            types[key] = read_type(element, scope)
    parameters: dict[str, Parameter] = {}
    for key, (item, scope) in names.items["parameter"].items():
        with faults.kept():
            item.only_attributes("parameterTypeRef", "initialValue")
            for properties in item.children("ParameterProperties"):
                properties.only_attributes("dataSource", "readOnly", "persistence")
                properties.child("SystemName", "PhysicalAddressSet", required=False)
            of = types.get(scope.the("parameter type", item, "parameterTypeRef"))
            if of is not None:  # else its type was refused
                parameters[key] = Parameter(
                    key, scope.qualified(key), of, item.attribute("shortDescription", "")
                )
    if faults:
        return parameters
    refuse_calibrators(names, types.values(), parameters)
    return parameters


def _derived(
    given: list[tuple[Element, Scope]], parameters: dict[str, Parameter], notes: list[str]
) -> tuple[Derived, ...]:
    derived: dict[str, Derived] = {}
    algorithms = []
    for element, scope in given:
        if language := of_the_ground(element):
            notes.append(
                element.tell(
                    f"an algorithm in {language}: passed over, its outputs are not computed."
                )
            )
        else:
            algorithms.append((element, scope))
    for element, scope in algorithms:
        one = read_algorithm(element, scope)
        if one.output in derived:
            raise element.refuse(f"{one.output} is computed by {derived[one.output].name} already.")
        kind = parameters[one.output].type
        if kind.kind not in ("integer", "float", "boolean", "enumerated") or kind.encoding:
            raise element.refuse(
                f"{one.output} must be a number, a boolean or an enumeration without an encoding."
            )
        derived[one.output] = one
    refuse_waiting(dict(zip(derived, (e for e, _ in algorithms), strict=True)), derived)
    return tuple(derived.values())


def _root(system: Element, containers: dict[str, Container], given: str, names: Names) -> str:
    """The container that was named; else the one without a base that others inherit from."""
    if given:
        key = names.find("container", given, ())
        if key is None:
            raise system.refuse(
                f"there is no container {given!r}; there are {', '.join(list(containers)[:12])}."
            )
        return key
    referenced = {e.name for c in containers.values() for e in c.entries if e.kind == "container"}
    bases = {c.base for c in containers.values()}
    free = [c.name for c in containers.values() if c.base is None and c.name not in referenced]
    roots = [name for name in free if name in bases] or free
    if len(roots) != 1:
        raise system.refuse(
            f"cannot tell the root container: {', '.join(roots[:12]) or 'none'} could be it.",
            "Name it with --root-container, or root_container in mission.toml.",
        )
    return roots[0]
