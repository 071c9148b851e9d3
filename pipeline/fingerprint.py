"""Fingerprint of all that determines an output: database, settings, code, processor, compiler."""

from __future__ import annotations

from functools import cache

import llvmlite
import numba
import numpy as np
from llvmlite import binding

from pipeline.kernel import source_sha256
from schemas.mission import MissionDatabase
from schemas.settings import MissionSettings
from schemas.version import VERSION


@cache
def machine() -> dict[str, str]:
    """Code, processor, compiler and numpy: what may make the bits of a result differ."""
    return {
        "code_version": VERSION,
        "code_sha256": source_sha256(),
        "cpu": binding.get_host_cpu_name(),
        "compiler": f"numba {numba.__version__}, llvmlite {llvmlite.__version__}, "
        f"LLVM {'.'.join(str(n) for n in binding.llvm_version_info)}",
        "numpy": np.__version__,
    }


def fingerprint(mdb: MissionDatabase, settings: MissionSettings) -> dict[str, str]:
    return {"mission_database": mdb.sha256, "settings": settings.sha256, **machine()}
