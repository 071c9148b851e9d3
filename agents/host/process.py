"""Which process a PID in a file stands for: PIDs are reused after a process has ended."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

ASK_S = 5.0
_STATE, _BEGUN = 0, 19  # fields of /proc/PID/stat behind the name (proc_pid_stat(5): 3 and 22)


def begun(pid: int) -> int:
    """When it began, in ticks since boot; 0 where it has ended, or where that is not known."""
    fields = _stat(pid)
    return int(fields[_BEGUN]) if fields and fields[_STATE] != "Z" else 0


def is_the_one(pid: int, since: int, named: str) -> bool:
    """Whether it runs, began at `since` (0: not known) and has `named` in its command line.

    A process that has just been started has no command line for a moment: where its beginning
    is known, an empty command line is accepted.
    """
    if pid <= 0:
        return False
    command = _command(pid)
    if named not in command and (command or not since):
        return False
    if not Path("/proc/self/stat").exists():
        return True
    return begun(pid) == since if since else begun(pid) > 0


def send(pid: int, since: int, named: str, number: signal.Signals) -> bool:
    """Signal that process and no other; returns whether it was there.

    Linux can hold it by a descriptor, so that no other process gets its PID in between.
    """
    try:
        held = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
    except OSError:
        return False
    try:
        if not is_the_one(pid, since, named):
            return False
        if held is None:
            os.kill(pid, number)
        else:
            signal.pidfd_send_signal(held, number)
    except ProcessLookupError:
        return False
    finally:
        if held is not None:
            os.close(held)
    return True


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return []


def _command(pid: int) -> str:
    """Its command line; empty where there is no such process."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except OSError:
        if Path("/proc/self/cmdline").exists():
            return ""
    try:
        told = subprocess.run(
            ["ps", "-ww", "-o", "command=", "-p", str(pid)],
            capture_output=True, text=True, timeout=ASK_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout
