"""Third-party files, checked against hashes that are kept here, as pip does with its lock."""

from __future__ import annotations

import hashlib
from pathlib import Path


def locked(lock: Path) -> dict[str, str]:
    """Name to SHA-256, read from a file in the format of sha256sum."""
    lines = (line.split() for line in lock.read_text().splitlines())
    return {name.removeprefix("*"): digest for digest, name in lines}


def difference(folder: Path, lock: dict[str, str]) -> str | None:
    """The first file of the folder that is not as it should be, and how; None where all are."""
    there = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
    for name, wanted in sorted(lock.items()):
        if name not in there:
            return f"{folder / name} is missing"
        with there[name].open("rb") as file:
            got = hashlib.file_digest(file, "sha256").hexdigest()
        if got != wanted:
            return f"{there[name]} has SHA-256 {got}, and should have {wanted}"
    more = sorted(there.keys() - lock.keys())
    return f"{folder / more[0]} is not of it" if more else None
