"""A Docker engine: the one that runs here, or one of the test's own below a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import PROJECT

# what must be installed, and Debian's package of it (Compose may be a plugin too)
TOOLS = {
    "dockerd": "docker.io", "docker": "docker.io", "docker-compose": "docker-compose",
    "debootstrap": "debootstrap", "java": "openjdk-17-jre-headless", "mvn": "maven",
}  # fmt: skip
STARTED_S = 30.0
PROJECT_NAME = "heartline-test"  # its volumes are nobody's else: they are thrown away


def told(what: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {what}\n")
    sys.stdout.flush()


def missing() -> str:
    """Why no engine can be had here; nothing where one can."""
    if os.geteuid():
        return "root is needed, to start Docker's engine"
    absent = {package for tool, package in TOOLS.items() if shutil.which(tool) is None}
    if "docker-compose" in absent and Engine(dict(os.environ)).has("compose", "version"):
        absent.remove("docker-compose")
    return f"not installed: {' '.join(sorted(absent))}" if absent else ""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine's two command lines. CalledProcessError where a command fails, its words told."""

    environment: dict[str, str]

    def docker(self, *words: str) -> str:
        return self._run(["docker", *words])

    def compose(self, *words: str) -> str:
        """The compose file as it is shipped."""
        return self._run(self.compose_command(*words))

    def compose_command(self, *words: str) -> list[str]:
        program = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        return [*program, "--project-name", PROJECT_NAME, *words]

    def has(self, *words: str) -> bool:
        """Whether a command of docker succeeds."""
        done = subprocess.run(
            ["docker", *words], env=self.environment, capture_output=True, check=False
        )
        return done.returncode == 0

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, env=self.environment, cwd=PROJECT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.stderr.write(f"{' '.join(command)}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        done.check_returncode()
        return done.stdout.strip()

    def inspect(self, service: str, what: str) -> str:
        """A field of a service's container, by Docker's template."""
        labels = f"project={PROJECT_NAME}", f"service={service}"
        of = [x for label in labels for x in ("--filter", f"label=com.docker.compose.{label}")]
        container = self.docker("ps", "--all", "--quiet", *of)
        return self.docker("inspect", "--format", f"{{{{{what}}}}}", container)

    def address(self, service: str) -> str:
        return self.inspect(service, "range .NetworkSettings.Networks}}{{.IPAddress}}{{end")


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """An engine, and where it was not there before its end."""
    found = Engine(dict(os.environ))
    if found.has("info"):
        told("a Docker engine runs here")
        yield found
        return
    socket = f"unix://{folder}/docker.sock"
    with (folder / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            ["dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec",
             "--pidfile", f"{folder}/pid", "--host", socket, "--storage-driver", "overlay2",
             # nothing is sent out of this machine: its forwarding is left as it is
             "--bridge", "none", "--ip-forward=false"],
            stdout=log, stderr=log,
        )  # fmt: skip
    own = Engine({**os.environ, "DOCKER_HOST": socket})
    try:
        deadline = time.monotonic() + STARTED_S
        while not own.has("info"):
            if daemon.poll() is not None or time.monotonic() > deadline:
                tail = (folder / "dockerd.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"dockerd did not start:\n{tail}")
            time.sleep(0.2)
        told("a Docker engine of the test's own")
        yield own
    finally:
        daemon.terminate()
        daemon.wait(60)
        for left in _mounts_below(folder):
            subprocess.run(["umount", left], check=True)


def _mounts_below(folder: Path) -> list[str]:
    """Innermost first: the engine leaves one behind."""
    at = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted((m for m in at if m.startswith(f"{folder}/")), key=len, reverse=True)
