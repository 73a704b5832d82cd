"""Goal: the command answers, serves or refuses. Method: main() with a server that only listens."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType

import pytest

from tritonpy import __version__
from tritonpy.cli import main
from tritonpy.options import ServerOptions


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[ServerOptions]:
    """What the command would have served; the server returns 0 at once."""
    requests: list[ServerOptions] = []

    def serve(options: ServerOptions) -> int:
        requests.append(options)
        return 0

    module = ModuleType("tritonpy.server")
    module.serve = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tritonpy.server", module)
    return requests


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tritonpy {__version__}\n"


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_is_printed(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word]) == 0
    told = capsys.readouterr().out
    assert "tritonpy COMMAND --help" in told
    assert "Serve a model repository" in told


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--help"],
        ["serve", "--repo", "/m", "-h"],
        ["--http-port=1", "--help"],
        ["serve", "--hel"],
    ],
)
def test_help_of_serve_lists_options_and_serves_nothing(
    arguments: list[str], served: list[ServerOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    assert "--model-repository <place>" in capsys.readouterr().out
    assert served == []


@pytest.mark.parametrize("value", ["--help", "-h"])
def test_a_value_that_reads_like_help_is_a_value(value: str, served: list[ServerOptions]) -> None:
    assert main(["serve", "--repo=/m", "--id", value]) == 0
    assert [options.server_id for options in served] == [value]


def test_help_with_a_line_that_cannot_be_read_names_the_mistake(
    served: list[ServerOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--no-such", "--help"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("unrecognized option '--no-such'\n")
    assert served == []


@pytest.mark.parametrize("arguments", [[], ["srve"]])
def test_what_is_no_command_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Usage: ")


@pytest.mark.parametrize("command", [["serve"], []])
def test_options_are_served_with_or_without_the_command(
    command: list[str], served: list[ServerOptions]
) -> None:
    assert main([*command, "--model-repository=/m", "--http-port", "9000"]) == 0
    (options,) = served
    assert options.http.port == 9000


def test_warnings_go_to_stderr(
    served: list[ServerOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--repo=/m", "--trace-rate=1"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "Warning: '--trace-rate' has been deprecated, use '--trace-config' instead.",
        "Warning: '--trace-rate' is accepted but has no effect yet",
    ]
    assert len(served) == 1


def test_an_unknown_option_prints_usage_and_exits_with_1(
    served: list[ServerOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--repo=/m", "--no-such"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Usage: ")
    assert error.endswith("unrecognized option '--no-such'\n")
    assert served == []


def test_a_wrong_value_is_one_line(
    served: list[ServerOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--repo=/m", "--http-port=x"]) == 1
    assert capsys.readouterr().err == "--http-port: Invalid option value. Got x\n"
    assert served == []


def test_a_reader_that_goes_early_is_no_error_of_ours() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "tritonpy", "serve", "--help"]
        ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, b"")
