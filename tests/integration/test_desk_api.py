"""The desk's HTTP API: against its own description, who may do what, and who may not at all."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import urllib.error
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.cli import main
from agents.desk.tokens import new_token
from tests.integration.shift import Desk, Ground, stand
from tests.integration.system import wait_until

EXAMPLES = 40  # requests of each operation and phase


@pytest.mark.broker
def test_it_is_as_it_describes_itself(broker: str, tmp_path: Path) -> None:
    """schemathesis makes requests, good and bad, of the description alone."""
    stand(broker)
    desk = Ground(broker, tmp_path, ["A"]).desk()
    with desk.running():
        ran = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run",
             f"http://127.0.0.1:{desk.port}/openapi.json", f"--max-examples={EXAMPLES}",
             "--checks=all", "--exclude-checks=positive_data_acceptance", "--workers=1",
             "--request-timeout=30", "--no-color"],
            capture_output=True, text=True, cwd=tmp_path, check=False, timeout=300,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:] + desk.text()
        assert "Traceback" not in desk.text()
        # it has not only knocked: it went through the links, to alarms that stand
        entries = [e for name in "ABCD" for e in desk.ask(f"history?parameter={name}")["history"]]
        assert any(entry["who"] == "ana" for entry in entries)
        assert desk.is_ready()


def ask(
    desk: Desk, method: str, path: str, token: str = "", body: Any = None, **headers: str
) -> tuple[int, Any]:
    client = http.client.HTTPConnection("127.0.0.1", desk.port, timeout=20)
    try:
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers = {"Content-Type": "application/json"} | headers
            body = json.dumps(body) if not isinstance(body, bytes) else body
        client.request(method, path, body, headers)
        answer = client.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        client.close()


@pytest.mark.broker
def test_who_may_do_what(broker: str, tmp_path: Path) -> None:
    shift = stand(broker)
    [a, b, *_] = shift.board.alarms
    settings, tokens = "", {}
    for name, role in (("wall", "watch"), ("ana", "operate"), ("chief", "administer")):
        tokens[name], digest = new_token()
        settings += f'[desk.tokens.{name}]\nrole = "{role}"\nsha256 = "{digest}"\n'
    (tmp_path / "heartline.toml").write_text(settings)
    desk = Ground(broker, tmp_path, ["A"]).desk("", "--config", str(tmp_path / "heartline.toml"))
    say = {"why": "seen", "alarms": [a]}
    with desk.running():
        for token in ("", "x" * 43, tokens["ana"][:-1]):
            assert ask(desk, "GET", "/api/v1/alarms", token)[0] == 401
        assert ask(desk, "GET", "/api/v1/alarms", tokens["wall"])[0] == 200
        deeds = "/api/v1/deeds"
        for who, what, status in (
            ("wall", "acknowledge", 403), ("ana", "acknowledge", 201), ("ana", "acknowledge", 409),
            ("ana", "out_of_service", 403), ("chief", "out_of_service", 201),
            ("chief", "in_service", 201), ("ana", "comment", 201), ("ana", "nod", 400),
        ):  # fmt: skip
            got, told = ask(desk, "POST", deeds, tokens[who], say | {"what": what})
            assert got == status, (who, what, told)
        [alarm] = ask(desk, "GET", "/api/v1/alarms?parameter=A", tokens["wall"])[1]["alarms"]
        assert alarm["acknowledged"]["who"] == "ana"  # the token's name, whatever is said
        more = {"what": "acknowledge", "who": "chief", "why": "seen", "alarms": [b]}
        assert ask(desk, "POST", deeds, tokens["ana"], more)[0] == 400
        assert tokens["ana"] not in desk.text()


@pytest.mark.broker
def test_a_page_in_a_browser_cannot_do_anything(broker: str, tmp_path: Path) -> None:
    """Of a form, a script of another site, and a name that was bound to loopback since."""
    shift = stand(broker)
    [a, *_] = shift.board.alarms
    say = {"what": "acknowledge", "why": "x", "who": "x", "alarms": [a]}
    desk = Ground(broker, tmp_path, ["A"]).desk()
    with desk.running():
        form = {"Content-Type": "text/plain"}
        assert ask(desk, "POST", "/api/v1/deeds", body=say, **form)[0] == 415
        assert ask(desk, "GET", "/api/v1/alarms", Host="evil.example")[0] == 403
        assert ask(desk, "POST", "/api/v1/deeds", body=say, Host="evil.example:80")[0] == 403
        assert ask(desk, "OPTIONS", "/api/v1/deeds", Origin="http://evil.example")[0] == 405
        assert ask(desk, "POST", "/api/v1/deeds", body=b"{" * 3_000_000)[0] == 413
        assert (
            ask(desk, "GET", "/api/v1/alarms?parameter=A")[1]["alarms"][0]["acknowledged"] is None
        )


@pytest.mark.broker
def test_the_command_line_and_the_api_say_the_same(broker: str, tmp_path: Path) -> None:
    stand(broker)
    desk = Ground(broker, tmp_path, ["A"]).desk()

    def cli(*words: str) -> str:
        ran = CliRunner().invoke(main, ["alarms", *words, "--bootstrap", broker])
        assert ran.exit_code == 0, ran.output
        return ran.output

    assert "A limit: acknowledged" in cli(
        "ack", "A", "--why", "seen", "--who", "ben"
    )  # no desk yet
    with desk.running():
        wait_until(lambda: desk.statuses().get("A") == "acknowledged", 20, desk.text)
        cli("shelve", "B", "--for", "2h", "--why", "sensor", "--who", "ben")
        cli("comment", "C", "--why", "is known", "--who", "ben")
        wait_until(lambda: desk.statuses().get("B") == "shelved", 20, desk.text)
        wait_until(lambda: {*desk.incidents()} == {"1", "2"}, 20, desk.text)
        same = ("id", "status", "acknowledged", "shelved", "comment", "level", "incident")
        mine = json.loads(cli("list", "--json"))
        its = desk.ask("alarms")["alarms"]
        assert [{k: m[k] for k in same} for m in mine] == [{k: m[k] for k in same} for m in its]
        assert (
            json.loads(cli("incidents", "--json")) == desk.ask("incidents?open=true")["incidents"]
        )
        assert (
            json.loads(cli("history", "B", "--json")) == desk.ask("history?parameter=B")["history"]
        )
        assert "shelve" in (entries := cli("history", "B"))
        assert "by ben" in entries
        told = cli("list")
        assert "3 alarms; 1 more returned unacknowledged" in told
        assert "ben shelved it at" in told
        [incident] = [
            n for n, i in desk.incidents().items() if i["source"] == "m" and i["group"] == "C"
        ]
        assert "C limit: acknowledged" in cli(
            "ack", "--incident", incident, "--why", "x", "--who", "ben"
        )


@pytest.mark.broker
def test_mistakes_are_told_in_a_line(broker: str, tmp_path: Path) -> None:
    stand(broker)
    for words, said in (
        (["ack", "NONE", "--why", "x"], "'NONE' has had no alarm"),
        (["ack", "--why", "x"], "name PARAMETERs"),
        (["ack", "A", "--why", " "], "why must be a text"),
        (["shelve", "A", "--for", "9d", "--why", "x"], "at most 7 days"),
        (["unshelve", "A", "--why", "x"], "A is unacknowledged"),
        (["ack", "--incident", "9", "--why", "x"], "there is no incident '9'"),
    ):
        ran = CliRunner().invoke(main, ["alarms", *words, "--bootstrap", broker])
        assert ran.exit_code != 0
        assert said in ran.output, ran.output
    desk = Ground(broker, tmp_path, ["A"]).desk("", "--host", "0.0.0.0")
    ran = subprocess.run(desk.command, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, "make tokens with" in ran.stderr) == (1, True)
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        desk.ask("alarms")
