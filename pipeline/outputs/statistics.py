"""Statistics: one record a group, window and pane end; columns in JSON (statistics.schema.json)."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from schemas import topics
from schemas.columns import FIGURES, QUALITY_WORDS, Output


def statistics_output(
    head: dict[str, Any],
    quantiles: tuple[float, ...],
    figures: np.ndarray[Any, Any],
    quality: np.ndarray[Any, Any],
    id_: str,
) -> Output:
    """head: source, container, parameters, window. figures as in WindowBatch; NaN: null."""
    record = {"id": id_, **head}
    for name, row in zip(FIGURES, figures, strict=False):
        record[name] = row
    record["quantiles"] = {
        f"{q:g}": row for q, row in zip(quantiles, figures[len(FIGURES) : -1], strict=True)
    }
    record["quantile_error"] = figures[-1]
    flagged = np.flatnonzero(quality.any(axis=1))  # one call: eight cost as much as the encoding
    record["quality"] = {QUALITY_WORDS[k]: quality[k] for k in flagged}
    value = orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)
    return Output(topics.STATISTICS, id_, head["source"].encode(), value, event=record)
