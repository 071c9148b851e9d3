"""What records name by hash, from telemetry.definitions."""

from __future__ import annotations

import hashlib

from agents.readers.tail import follow
from schemas import topics


async def read_definitions(bootstrap: str, namespace: str) -> dict[str, bytes]:
    """Values by their SHA-256. A value that is not what its key says is left out."""
    found: dict[str, bytes] = {}
    async for _, record in follow(bootstrap, namespace, (topics.DEFINITIONS,), True, True):
        value = record.value or b""
        name = hashlib.sha256(value).hexdigest()
        if record.key == name.encode():
            found[name] = value
    return found
