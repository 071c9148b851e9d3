"""Where this program keeps what it writes: one folder for state, one for caches (docs/service.md).

`STATE_DIRECTORY` and `CACHE_DIRECTORY` name them, as systemd does for a unit; else they stand in
the user's own (XDG base directories). Nothing is ever made in the working directory.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

NAME = "heartline"


def state() -> Path:
    """What must outlive a restart: the key that seals snapshots, Kafka's files on a laptop."""
    return _place("STATE_DIRECTORY", "XDG_STATE_HOME", (".local", "state"))


def cache() -> Path:
    """What can be made again: compiled kernels, what Maven fetched."""
    return _place("CACHE_DIRECTORY", "XDG_CACHE_HOME", (".cache",))


def _place(given: str, base: str, home: tuple[str, ...]) -> Path:
    named = os.environ.get(given, "").split(":")[0]  # systemd names several with colons between
    if named:
        return Path(named)
    root = os.environ.get(base)
    return (Path(root) if root else Path.home().joinpath(*home)) / NAME


def kernel_cache() -> Path:
    """`cache()`, or, where it cannot be written, a copy of it that lives as long as this process.

    numba refuses a folder that it cannot write, even if all that it needs is there already; an
    image with a read-only root holds its kernels in such a folder.
    """
    folder = cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        try:
            copy = Path(tempfile.mkdtemp(prefix=f"{NAME}-kernels-"))
        except OSError:
            sys.exit(
                f"heartline: compiled kernels can be written neither to {folder} nor to a "
                "temporary folder: name one with CACHE_DIRECTORY."
            )
        atexit.register(shutil.rmtree, copy, ignore_errors=True)
        if folder.is_dir():
            shutil.copytree(
                folder, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("kafka-*")
            )
        return copy
