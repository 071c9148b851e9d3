"""Load an XTCE 1.2 file into a MissionDatabase."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.mdb.containers import read_container
from pipeline.mdb.types import TYPES, read_type
from pipeline.mdb.xml import Element, parse
from schemas.mission import Container, MissionDatabase, Parameter, ParameterType


def load_xtce(path: str | Path) -> MissionDatabase:
    """Read one SpaceSystem. MissionError (file, line, element) for what is not supported."""
    system, content = parse(path)
    if system.tag != "SpaceSystem":
        raise system.refuse("the root of an XTCE file is a SpaceSystem.")
    system.only_attributes("schemaLocation", "operationalStatus")
    telemetry = system.the("TelemetryMetaData")
    parts = {
        c.tag: c for c in telemetry.children("ParameterTypeSet", "ParameterSet", "ContainerSet")
    }
    for tag in ("ParameterTypeSet", "ParameterSet", "ContainerSet"):
        if tag not in parts:
            raise telemetry.refuse(f"needs a {tag}.")
    types = _types(parts["ParameterTypeSet"])
    parameters = _parameters(parts["ParameterSet"], types, system.name)
    containers = _containers(parts["ContainerSet"], parameters, system.name)
    return MissionDatabase(
        system.name,
        parameters,
        containers,
        _root(parts["ContainerSet"], containers),
        hashlib.sha256(content).hexdigest(),
        str(path),
    )


def _types(element: Element) -> dict[str, ParameterType]:
    types: dict[str, ParameterType] = {}
    for item in element.children(*TYPES):
        if item.name in types:
            raise item.refuse("a second type of this name.")
        types[item.name] = read_type(item)
    return types


def _parameters(
    element: Element, types: dict[str, ParameterType], system: str
) -> dict[str, Parameter]:
    parameters: dict[str, Parameter] = {}
    for item in element.children("Parameter"):
        item.only_attributes("parameterTypeRef")
        item.child(required=False)  # documentation alone
        reference = item.reference("parameterTypeRef", system)
        if reference not in types:
            raise item.refuse(f"there is no parameter type {reference!r}.")
        if item.name in parameters:
            raise item.refuse("a second parameter of this name.")
        parameters[item.name] = Parameter(
            item.name,
            f"/{system}/{item.name}",
            types[reference],
            item.attribute("shortDescription", ""),
        )
    return parameters


def _containers(
    element: Element, parameters: dict[str, Parameter], system: str
) -> dict[str, Container]:
    containers: dict[str, Container] = {}
    for item in element.children("SequenceContainer"):
        if item.name in containers:
            raise item.refuse("a second container of this name.")
        containers[item.name] = read_container(item, parameters, system)
    for item in element.children("SequenceContainer"):
        container = containers[item.name]
        wanted = [e.name for e in container.entries if e.kind == "container"]
        for reference in [*wanted, *([container.base] if container.base else [])]:
            if reference not in containers:
                raise item.refuse(f"there is no container {reference!r}.")
        _refuse_cycle(item, container, containers)
    return containers


def _refuse_cycle(item: Element, container: Container, containers: dict[str, Container]) -> None:
    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise item.refuse(f"contains itself: {' → '.join((*above, name))}.")
        here = containers.get(name)
        if here is None:
            return
        below = [e.name for e in here.entries if e.kind == "container"]
        for reference in [*below, *([here.base] if here.base else [])]:
            visit(reference, (*above, name))

    visit(container.name, ())


def _root(element: Element, containers: dict[str, Container]) -> str:
    """The one container without a base that others inherit from, or the only one without a base."""
    referenced = {e.name for c in containers.values() for e in c.entries if e.kind == "container"}
    bases = {c.base for c in containers.values()}
    free = [c.name for c in containers.values() if c.base is None and c.name not in referenced]
    roots = [name for name in free if name in bases] or free
    if len(roots) != 1:
        raise element.refuse(
            f"cannot tell the root container: {', '.join(roots) or 'none'} could be it."
        )
    return roots[0]
