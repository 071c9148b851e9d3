"""Command line tools of others that check what is deployed."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def run_tool(tool: str, package: str, *arguments: str) -> str:
    """What it prints, where it says that all is well. package: Debian's, to be named in the skip."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed (Debian's package `{package}`)")
    done = subprocess.run(
        [tool, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
