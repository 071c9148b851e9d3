"""Secrets in files: made here where there is none, and never readable by others."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from pipeline.errors import MissionError

BYTES = 32


def seal_key(path: Path, make: bool) -> bytes:
    """The key that seals snapshots. make: it is made where there is none, only for its owner.

    MissionError: it cannot be read or made, is readable by others, or is not a key.
    """
    try:
        if make and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_secret(path, secrets.token_hex(BYTES) + "\n")
        refuse_readable(path)
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise MissionError(f"{path}: the key of snapshots cannot be read: {error}.") from None
    if len(key) != BYTES:
        raise MissionError(f"{path}: is no key of {BYTES} bytes in hexadecimal digits.")
    return key


def write_secret(path: Path, content: str) -> None:
    """Write whole or not at all, never over another file: two processes may start at once."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    part.touch(0o600, exist_ok=False)
    part.write_text(content)
    try:
        os.link(part, path)
    except FileExistsError:
        pass  # the other was faster
    finally:
        part.unlink()


def refuse_readable(path: Path) -> None:
    """MissionError where others than its owner may read or change a secret.

    Windows has no modes that would say so.
    """
    if os.name != "nt" and path.stat().st_mode & 0o077:
        raise MissionError(f"{path} is open to others than its owner: chmod 600 {path}.")
