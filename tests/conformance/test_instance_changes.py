"""Goal: a config that is another only in its instances changes just those, and nobody notices.

Method: a Python model that answers with its process and how often that ran, asked all the time
while its config changes; which processes there are tells what was kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.conformance.clients import Client
from tests.conformance.conftest import connect
from tests.conformance.python_models import workers_of, write_python_model
from tests.conformance.running_server import RunningServer, ServerOptions
from tests.conformance.steady_clients import SteadyClients

_MODEL = "counting"
_SOURCE = """
    import os
    import numpy as np
    import triton_python_backend_utils as pb_utils

    class TritonPythonModel:
        def initialize(self, args):
            if "broken" in args["model_config"] and args["model_instance_name"].endswith("_1"):
                raise RuntimeError("one is enough")
            self.ran = 0

        def execute(self, requests):
            responses = []
            for request in requests:
                self.ran += 1
                state = np.array([[os.getpid(), self.ran]], np.int64)
                responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("STATE", state)]))
            return responses
"""
_CONFIG = """
    backend: "python"
    max_batch_size: 4
    input [ {{ name: "INPUT0" data_type: TYPE_INT64 dims: [ 1 ] }} ]
    output [ {{ name: "STATE" data_type: TYPE_INT64 dims: [ 2 ] }} ]
    {rest}
"""
_DATA = np.zeros((1, 1), np.int64)


def _instances(count: int, name: str = "counting", rest: str = "") -> str:
    return f'instance_group [ {{ name: "{name}" count: {count} kind: KIND_CPU {rest} }} ]'


def _limited(count: int) -> str:
    return _instances(count, rest='rate_limiter { resources [ { name: "unit" count: 1 } ] }')


def _hurried(count: int) -> str:
    objective = 'key: "latency_objective_microseconds" value { string_value: "3600000000" }'
    return f"{_instances(count)} parameters {{ {objective} }}"


def _ask(client: Client) -> tuple[int, int]:
    process, ran = client.infer(_MODEL, {"INPUT0": _DATA}).as_numpy("STATE")[0]
    return int(process), int(ran)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the model, whose config tests change."""
    path: Path = tmp_path_factory.mktemp("instances")
    config = _CONFIG.format(rest=_instances(1))
    write_python_model(path, _MODEL, _SOURCE, config)
    return path


@pytest.fixture(scope="module")
def changing_server(repository: Path) -> Iterator[RunningServer]:
    """A server that loads what it is told to; front ends have no part in this."""
    arguments = ("--model-control-mode", "explicit", "--rate-limit", "execution_count")
    with RunningServer(repository, ServerOptions(arguments)) as server:
        yield server


@pytest.fixture
def control(changing_server: RunningServer, repository: Path) -> Iterator[Client]:
    """A client, with the model freshly loaded with one instance."""
    with connect("grpc", changing_server) as client:
        _write_config(repository, _instances(1))
        client.raw.load_model(_MODEL)
        yield client
        client.raw.unload_model(_MODEL)


def _write_config(repository: Path, rest: str) -> None:
    (repository / _MODEL / "config.pbtxt").write_text(_CONFIG.format(rest=rest))


def _processes(server: RunningServer) -> set[int]:
    return {worker.pid for worker in workers_of(server)}


@pytest.mark.parametrize("instances", [_instances, _limited, _hurried])
def test_instances_come_and_go_and_those_that_stay_keep_what_they_know(
    control: Client,
    changing_server: RunningServer,
    repository: Path,
    instances: Callable[[int], str],
) -> None:
    _write_config(repository, instances(1))
    control.raw.load_model(_MODEL)
    first, _ = _ask(control)
    clients = SteadyClients(changing_server, ["http", "grpc"], _ask)
    try:
        clients.wait_for_a_round()
        for count in (3, 1, 2, 1):
            before = _processes(changing_server)
            _write_config(repository, instances(count))
            control.raw.load_model(_MODEL)
            now = _processes(changing_server)
            assert len(now) == count
            assert first in now
            assert now <= before or before <= now  # nobody came where somebody went
            assert len(control.raw.get_model_config(_MODEL).config.instance_group) == 1
            clients.wait_for_a_round()
    finally:
        clients.stop()
    assert not clients.failures
    process, ran = _ask(control)
    assert process == first
    assert ran > 2  # and not from the beginning again
    (statistics,) = control.statistics(_MODEL)
    assert statistics["inference_stats"]["success"]["count"] >= clients.asked


def _sequences(instances: str, strategy: str) -> str:
    idle = "max_sequence_idle_microseconds: 3600000000"
    return f"{instances} sequence_batching {{ {strategy} {{}} {idle} }}"


def _go_on(client: Client, sequence: int, *, start: bool = False, end: bool = False) -> int:
    """Return the process that answers the next request of a sequence."""
    result = client.infer(
        _MODEL,
        {"INPUT0": _DATA},
        sequence_id=sequence,
        sequence_start=start,
        sequence_end=end,
    )
    return int(result.as_numpy("STATE")[0][0])


@pytest.mark.parametrize(
    ("instances", "protocol"), [(_instances, "http"), (_instances, "grpc"), (_limited, "http")]
)
@pytest.mark.parametrize("strategy", ["direct", "oldest"])
def test_sequences_stay_where_they_are_while_instances_come_and_go(
    control: Client,
    changing_server: RunningServer,
    repository: Path,
    strategy: str,
    instances: Callable[[int], str],
    protocol: str,
) -> None:
    _write_config(repository, _sequences(instances(2), strategy))
    control.raw.load_model(_MODEL)
    with connect(protocol, changing_server) as client, ThreadPoolExecutor(1) as pool:
        # Slots are given out lowest first: these two are with different instances.
        places = {sequence: _go_on(client, sequence, start=True) for sequence in (1, 2)}
        assert set(places.values()) == _processes(changing_server)
        _write_config(repository, _sequences(instances(3), strategy))
        control.raw.load_model(_MODEL)
        (third,) = _processes(changing_server) - set(places.values())
        # It gets sequences from its first pull on, which nobody waits for.
        while _go_on(client, 3, start=True) != third:
            _go_on(client, 3, end=True)
        places[3] = third
        _write_config(repository, _sequences(instances(1), strategy))
        loading = pool.submit(control.raw.load_model, _MODEL)
        for _ in range(3):
            assert {one: _go_on(client, one) for one in places} == places
        assert not loading.done()
        for sequence in (2, 3):
            assert _go_on(client, sequence, end=True) == places[sequence]
        loading.result()
        assert _processes(changing_server) == {places[1]}
        assert _go_on(client, 1, end=True) == places[1]
        assert _go_on(client, 4, start=True, end=True) == places[1]


def test_config_says_what_there_is(control: Client, repository: Path) -> None:
    _write_config(repository, _instances(2, "other"))
    control.raw.load_model(_MODEL)
    (group,) = control.raw.get_model_config(_MODEL).config.instance_group
    assert (group.name, group.count) == ("other", 2)


def test_another_name_is_no_change(
    control: Client, changing_server: RunningServer, repository: Path
) -> None:
    before = _processes(changing_server)
    _write_config(repository, _instances(1, "renamed"))
    control.raw.load_model(_MODEL)
    assert _processes(changing_server) == before


@pytest.mark.parametrize("rest", ["dynamic_batching {}", 'parameters { key: "a" }'])
def test_any_other_change_loads_all_of_it_anew(
    control: Client, changing_server: RunningServer, repository: Path, rest: str
) -> None:
    before = _processes(changing_server)
    _write_config(repository, _instances(1) + rest)
    control.raw.load_model(_MODEL)
    assert _processes(changing_server).isdisjoint(before)


def test_an_instance_that_does_not_come_changes_nothing(
    control: Client, changing_server: RunningServer, repository: Path
) -> None:
    before = _processes(changing_server)
    _write_config(repository, _instances(2, "broken"))
    with pytest.raises(InferenceServerException, match="one is enough"):
        control.raw.load_model(_MODEL)
    assert _processes(changing_server) == before
    (group,) = control.raw.get_model_config(_MODEL).config.instance_group
    assert group.count == 1
    assert _ask(control)[0] in before
