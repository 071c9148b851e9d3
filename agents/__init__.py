"""The shell: Kafka, clocks, files, metrics and people. The core knows none of them."""

import os

from agents.host.places import kernel_cache

# before anything of the core is imported: its kernels are looked for when they are defined
os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache()))
