"""The images that the Dockerfile and the compose file name: pulled, or made of Debian's packages.

Where no registry can be reached a stand-in is made under the same name. It behaves as the real one
does in what is used of it here; its version may be Debian's (Prometheus, Alertmanager).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import PROJECT
from tests.deploy.engine import Engine, told

HERE = Path(__file__).parent
DEBIAN = "debian:12-slim"
LOCAL_CERTIFICATES = Path("/usr/local/share/ca-certificates")
PASSED_TO_PIP = ("index-url", "extra-index-url", "trusted-host", "proxy")


def base_images(engine: Engine, folder: Path) -> None:
    """Make sure of all of them but Grafana's."""
    compose = (PROJECT / "docker-compose.yml").read_text()
    (kafka,) = re.findall(r"image: (apache/kafka:\S+)", compose)
    of_prometheus = re.findall(r"image: (prom/\S+)", compose)
    for image in (DEBIAN, kafka, *of_prometheus):
        if engine.has("image", "inspect", image) or engine.has("pull", "--quiet", image):
            told(f"{image} is there")
            continue
        if image == DEBIAN:
            _debian(engine, folder / "debian")
        elif image == kafka:
            _kafka(engine, folder / "kafka", image)
        else:
            _build(engine, HERE / image.removeprefix("prom/").partition(":")[0], image)
        told(f"{image} is a stand-in of Debian's packages")


def _build(engine: Engine, folder: Path, image: str) -> None:
    engine.docker("build", "--network", "host", "--tag", image, str(folder))


def _debian(engine: Engine, root: Path) -> None:
    """Debian's minimal system, and how this machine reaches a package index."""
    _quietly("debootstrap", "--variant=minbase", "bookworm", str(root))
    for bulk in (
        "var/cache/apt",
        "var/lib/apt/lists",
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
    ):
        shutil.rmtree(root / bulk)
        (root / bulk).mkdir()
    if LOCAL_CERTIFICATES.is_dir():
        to = root / LOCAL_CERTIFICATES.relative_to("/")
        shutil.copytree(LOCAL_CERTIFICATES, to, dirs_exist_ok=True)
    (root / "etc" / "pip.conf").write_text(f"[global]\n{_pip_settings()}")
    tar = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE)
    subprocess.run(
        ["docker", "import", "-", DEBIAN],
        env=engine.environment, stdin=tar.stdout, stdout=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    if tar.wait():
        raise RuntimeError("tar of Debian's minimal system failed")
    shutil.rmtree(root)


def _pip_settings() -> str:
    """Lines of a pip.conf, of what pip goes by here."""
    listed = _quietly(sys.executable, "-m", "pip", "config", "list")
    found = re.findall(r"^[^=]*\.([a-z-]+)='(.*)'$", listed, re.MULTILINE)
    return "".join(f"{key} = {value}\n" for key, value in found if key in PASSED_TO_PIP)


def _kafka(engine: Engine, folder: Path, image: str) -> None:
    """Apache Kafka's own artefacts, of the tag's version."""
    shutil.copytree(HERE / "kafka", folder)
    _quietly(
        "mvn", "-q", "-B", "-f", str(folder / "pom.xml"), f"-Dkafka={image.partition(':')[2]}",
        "dependency:copy-dependencies", f"-DoutputDirectory={folder}/libs",
    )  # fmt: skip
    _build(engine, folder, image)
    shutil.rmtree(folder)


def _quietly(*command: str) -> str:
    """What a command says; all of it where it fails."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        sys.stderr.write(done.stdout[-4000:])
    done.check_returncode()
    return done.stdout
