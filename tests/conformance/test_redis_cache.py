"""Goal: servers share answers through a real redis, and no request fails for anything it does.

Method: two servers with repositories of equal content on one redis that the test looks into,
spoils, kills and starts again; statistics say which server ran what.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.conformance.clients import Client, HttpClient
from tests.conformance.conftest import connect
from tests.conformance.metrics_page import metrics_page
from tests.conformance.model_files import identity_config, write_config
from tests.conformance.running_redis import RunningRedis
from tests.conformance.running_server import RunningServer, ServerOptions, server_environment

_CACHED = "response_cache { enable: true }"
_TOPICS = ("echo", "spoilt", "big", "changed", "counted", "restarted")
_EXPLICIT = ["--model-control-mode=explicit", "--load-model=*"]
_GUARD_S = 120


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two servers and what they share."""

    redis: RunningRedis
    first: RunningServer
    second: RunningServer


# Requests until something must have happened: minutes, where it takes milliseconds.
_QUESTIONS_MAX = 10_000


def _write_models(repository: Path) -> Path:
    for topic in _TOPICS:
        for protocol in ("http", "grpc"):
            config = identity_config("FP32", extra=_CACHED)
            write_config(repository, f"{topic}_{protocol}", config)
    return repository


@pytest.fixture(scope="module")
def pair(frontend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Pair]:
    """Two servers on one redis."""
    folders = [tmp_path_factory.mktemp(name) for name in ("redis", "first", "second")]
    with RunningRedis(folders[0]) as redis:
        options = ServerOptions([*redis.cache_config, *_EXPLICIT], frontend=frontend)
        with (
            RunningServer(_write_models(folders[1]), options) as first,
            RunningServer(_write_models(folders[2]), options) as second,
        ):
            yield _Pair(redis, first, second)


@pytest.fixture(params=("http", "grpc"))
def client(request: pytest.FixtureRequest, pair: _Pair) -> Iterator[Client]:
    """Both clients of the first server; each has models of its own."""
    with connect(request.param, pair.first) as client:
        yield client


@pytest.fixture
def other(client: Client, pair: _Pair) -> Iterator[Client]:
    """The same of the second server."""
    with connect(client.protocol, pair.second) as other:
        yield other


def _ask(client: Client, model: str, data: npt.NDArray[np.float32]) -> None:
    result = client.infer(model, {"INPUT0": data})
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), data)


def _counts(client: Client, model: str) -> tuple[int, int, int]:
    """Return hits, misses and executions."""
    (stats,) = client.statistics(model)
    durations: Mapping[str, Any] = stats["inference_stats"]
    hits, misses = (durations[name]["count"] for name in ("cache_hit", "cache_miss"))
    return hits, misses, stats["execution_count"]


def test_an_answer_of_one_server_is_the_other_s_too(
    client: Client, other: Client, pair: _Pair
) -> None:
    model = f"echo_{client.protocol}"
    data = np.arange(6, dtype=np.float32).reshape(2, 3)
    _ask(client, model, data)
    pair.redis.wait_for_keys(model, 1)
    _ask(client, model, data)
    _ask(other, model, data)
    assert _counts(client, model) == (1, 1, 1)
    assert _counts(other, model) == (1, 0, 0)
    _ask(other, model, data.reshape(1, 6))  # the same bytes are another question
    assert _counts(other, model) == (1, 1, 1)


def test_a_value_that_is_no_answer_is_a_miss(client: Client, pair: _Pair) -> None:
    model = f"spoilt_{client.protocol}"
    data = np.ones((1, 3), np.float32)
    _ask(client, model, data)
    (key,) = pair.redis.wait_for_keys(model, 1)
    good = pair.redis.run("GET", key)
    assert isinstance(good, bytes)
    for asked, value in enumerate((b"", b"junk", good[:-1], good + b"\0", b"\xff" * 100), start=2):
        pair.redis.run("SET", key, value)
        _ask(client, model, data)
        assert _counts(client, model) == (0, asked, asked)
        pair.redis.wait_for_value(key, good)  # the answer of that miss will not come late
    pair.redis.run("DEL", key)
    pair.redis.run("LPUSH", key, "a list")
    _ask(client, model, data)
    assert _counts(client, model) == (0, 7, 7)


def test_a_big_answer_comes_back_whole(client: Client, other: Client, pair: _Pair) -> None:
    model = f"big_{client.protocol}"
    data = np.random.default_rng(1).random((4, 500_000), np.float32)
    _ask(client, model, data)
    pair.redis.wait_for_keys(model, 1)
    _ask(other, model, data)
    assert _counts(other, model) == (1, 0, 0)


def test_a_model_that_is_loaded_again_has_its_answers_unless_it_changed(
    client: Client, pair: _Pair
) -> None:
    model = f"changed_{client.protocol}"
    data = np.ones((1, 3), np.float32)
    _ask(client, model, data)
    pair.redis.wait_for_keys(model, 1)
    client.raw.unload_model(model)
    client.raw.load_model(model)
    _ask(client, model, data)
    assert _counts(client, model) == (1, 0, 0)
    config = client.raw.get_model_config(model)
    if client.protocol == "grpc":
        override = {"backend": "identity", "max_batch_size": 4}
        override |= {
            field: [{"name": name, "data_type": "TYPE_FP32", "dims": [-1]}]
            for field, name in (("input", "INPUT0"), ("output", "OUTPUT0"))
        }
        override["response_cache"] = {"enable": True}
    else:
        override = {**config, "max_batch_size": 4}
    client.raw.load_model(model, config=json.dumps(override))
    _ask(client, model, data)
    assert _counts(client, model) == (0, 1, 1)


def test_metrics_have_what_a_server_did_and_not_what_redis_holds(
    client: Client, pair: _Pair
) -> None:
    model = f"counted_{client.protocol}"
    data = np.ones((1, 3), np.float32)
    _ask(client, model, data)
    pair.redis.wait_for_keys(model, 1)
    _ask(client, model, data)
    page = metrics_page(pair.first)
    labels = f'{{model="{model}",version="1"}}'
    assert f"nv_cache_num_hits_per_model{labels} 1\n" in page
    assert f"nv_cache_num_misses_per_model{labels} 1\n" in page
    samples = dict(line.rsplit(" ", 1) for line in page.splitlines() if line[:1] != "#")
    assert float(samples["nv_cache_num_hits"]) >= 1
    assert float(samples["nv_cache_num_misses"]) >= 1
    assert float(samples["nv_cache_lookup_duration"]) > 0
    assert float(samples["nv_cache_insertion_duration"]) > 0
    assert "nv_cache_util" not in samples
    assert "nv_cache_num_entries" not in samples


def _ask_until(is_so: Callable[[], bool], client: Client, data: npt.NDArray[np.float32]) -> None:
    """Ask again and again: a machine that is busy may make Redis too late for one answer."""
    for _ in range(_QUESTIONS_MAX):
        _ask(client, "echo", data)
        if is_so():
            return
    raise AssertionError("what was asked for never came to be so")


def test_requests_go_on_without_redis_and_are_kept_again_after_it(
    frontend: str, tmp_path: Path
) -> None:
    write_config(tmp_path, "echo", identity_config("FP32", extra=_CACHED))
    data = np.ones((1, 3), np.float32)
    with RunningRedis(tmp_path) as redis:
        options = ServerOptions(redis.cache_config, frontend=frontend)
        with RunningServer(tmp_path, options) as server, HttpClient(server.http_address) as client:
            _ask_until(lambda: bool(redis.keys("echo")), client, data)
            hits, misses, executions = _counts(client, "echo")
            redis.kill()
            for _ in range(3):
                _ask(client, "echo", data)
            assert _counts(client, "echo") == (hits, misses + 3, executions + 3)
            server.wait_for("lost the connection to Redis")
            redis.restart()
            server.wait_for("the connection to Redis is back")
            _ask_until(lambda: bool(redis.keys("echo")), client, data)
            _ask_until(lambda: _counts(client, "echo")[0] > hits, client, data)
            assert server.output.count("lost the connection to Redis") == 1
            redis.kill()  # and a server without it stops as ever
            assert server.stop() == 0
            redis.restart()


def _failed_start(
    repository: Path, arguments: list[str], environment: Mapping[str, str] | None = None
) -> str:
    """Return what a server says that does not start."""
    command = [sys.executable, "-m", "tritonpy", "serve", "--repo", str(repository), *arguments]
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**server_environment(), **(environment or {})},
        timeout=_GUARD_S,
    )
    assert ended.returncode == 1
    return ended.stderr


def test_who_is_not_let_in_does_not_start(tmp_path: Path) -> None:
    with RunningRedis(tmp_path, password="secret") as redis:
        address = f"failed to connect to Redis (127.0.0.1:{redis.port}): "
        start = f"error: creating server: Internal - Failed to initialize RedisCache: {address}"
        said = _failed_start(tmp_path, redis.cache_config)
        assert f"{start}NOAUTH Authentication required." in said
        wrong = [*redis.cache_config, "--cache-config=redis,password=wrong"]
        said = _failed_start(tmp_path, wrong)
        assert f"{start}WRONGPASS invalid username-password pair" in said
        assert "wrong" not in said.replace("WRONGPASS", "")
        redis.kill()
        assert f"{start}Connection refused" in _failed_start(tmp_path, redis.cache_config)
        redis.restart()
        options = ServerOptions(
            redis.cache_config,
            environment={
                "TRITONCACHE_REDIS_USERNAME": "default",
                "TRITONCACHE_REDIS_PASSWORD": "secret",
            },
        )
        with RunningServer(tmp_path, options):
            pass


def test_another_database_has_other_answers(tmp_path: Path) -> None:
    write_config(tmp_path, "echo", identity_config("FP32", extra=_CACHED))
    with RunningRedis(tmp_path) as redis:
        arguments = [*redis.cache_config, "--cache-config=redis,db=3"]
        options = ServerOptions(arguments)
        with RunningServer(tmp_path, options) as server, HttpClient(server.http_address) as client:
            _ask(client, "echo", np.ones((1, 3), np.float32))
            redis.wait_for_keys("echo", 1, database=3)
            assert redis.keys("echo") == []
