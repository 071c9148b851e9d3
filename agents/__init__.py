"""The shell: Kafka, clocks, files, metrics and people. The core knows none of them."""

import os

from agents.host.places import kernel_cache

# set before the core is imported: cached kernels are looked up when they are defined
os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache()))
