"""Reports the state of a service to systemd (sd_notify(3)), where there is a socket for that."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(*words: str) -> None:
    """Send `READY=1`, `STATUS=…`, `STOPPING=1`. A failure to send is ignored."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # Linux's abstract namespace
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to, contextlib.suppress(OSError):
        to.connect(address)
        to.sendall("\n".join(words).encode())
