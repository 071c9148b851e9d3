"""What a model knows, as text: settings, thresholds, what it has seen, what it was made of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.models.families import BY_NAME
from pipeline.models.shared.family import Family
from pipeline.outputs.alerts import iso
from schemas.artefact import Artefact, Part


def knowledge(artefact: Artefact) -> Iterator[str]:
    yield f"{artefact.name}: {artefact.family}, version {artefact.version}"
    yield f"SHA-256 {artefact.sha256}"
    yield f"fitted by code {artefact.code.get('version')}, {artefact.code.get('sha256')}"
    if artefact.phases:
        named = ", ".join(f"phase{i} {name}" for i, name in enumerate(artefact.phases))
        yield f"a past for each flight phase: {named}"
    for t in artefact.trained:
        yield (
            f"trained on {t.flight}: {t.rows} rows, {iso(t.first_ns)} to {iso(t.last_ns)}, "
            f"SHA-256 {t.sha256}"
        )
    for part in artefact.parts:
        yield ""
        settings = ", ".join(f"{k} {v}" for k, v in part.settings.items())
        yield f"{len(part.parameters)} parameters, {settings}"
        family = BY_NAME.get(artefact.family, Family)  # another version's, perhaps
        yield from family.knows(part)
        for j, name in enumerate(part.parameters):
            yield from _of(part, j, name, family.shared)


def _of(part: Part, j: int, name: str, shared: frozenset[str]) -> Iterator[str]:
    low, high, step = (float(part.baseline[k][j]) for k in ("low", "high", "step"))
    yield f"  {name}: {low:g} to {high:g} in training, by {step:g} a row at most"
    for key, mine in part.own(j).items():
        if key in shared:
            continue
        if len(mine) <= 11:
            yield f"    {key}: {' '.join(f'{x:g}' for x in mine.tolist())}"
        else:
            known = mine[np.isfinite(mine)]
            span = f"{known.min():g} to {known.max():g}" if len(known) else "none"
            yield f"    {key}: {len(mine)} numbers, {len(known)} of them known, {span}"
