"""`make bench`: every figure of the README, in one run."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import benchmarks.chain
import benchmarks.decode
import benchmarks.others
import benchmarks.outputs
import benchmarks.resources
import benchmarks.sources
import benchmarks.stages
import benchmarks.worker
from pipeline.fingerprint import machine

data = Path(os.environ.get("TELEMETRY_DATA", "../shared/data"))
about = machine()
print(f"{os.cpu_count()} cores, {about['cpu']}, {about['compiler']}, {platform.python_version()}\n")
print("\n".join(benchmarks.chain.run()), "\n", sep="")
print("\n".join(benchmarks.stages.run()), "\n", sep="")
print("\n".join(benchmarks.outputs.run()), "\n", sep="")
print("\n".join(benchmarks.sources.run()), "\n", sep="")
print("\n".join(benchmarks.others.run()), "\n", sep="")
print("\n".join(benchmarks.resources.run()), "\n", sep="")
print("\n".join(benchmarks.worker.run()), "\n", sep="")
if data.is_dir():
    print("\n".join(benchmarks.decode.run(data)))
else:
    print(f"decode not measured: no real packets at TELEMETRY_DATA={data}")
