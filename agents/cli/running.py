"""A service on its event loop: ready, and told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from agents.observe.notify import notify


async def until_told(work: Coroutine[Any, Any, None]) -> None:
    """Run it until it ends, or until SIGTERM or SIGINT comes."""
    running = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    notify("READY=1")
    try:
        await running
    except asyncio.CancelledError:
        notify("STOPPING=1")
