"""The line that adds a family, run before anything has read the tuple (a pytest plugin)."""

from __future__ import annotations

import pipeline.models.families as families
from tests.contracts.steady import Steady

families.FAMILIES = (*families.FAMILIES, Steady)
families.BY_NAME = {f.name: f for f in families.FAMILIES}
