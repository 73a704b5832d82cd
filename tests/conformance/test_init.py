"""Goal: the first model of somebody who had nothing answers. Method: the commands, in turn."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.conformance.running_server import RunningServer
from tritonpy.cli import main


def test_the_example_serves_and_the_call_that_is_suggested_is_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "models")]) == 0
    told = capsys.readouterr().out
    call = re.search(r"^then: curl -d '(.*)' localhost:8000(\S*)$", told, re.MULTILINE)
    assert call is not None
    with RunningServer(tmp_path / "models") as server:
        request = Request(f"http://{server.http_address}{call[2]}", call[1].encode())
        with urlopen(request) as answer:
            assert json.loads(answer.read())["output"] == "HI HI "
