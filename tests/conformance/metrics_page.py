"""What a server says of itself at /metrics, and waiting for it to say so."""

from __future__ import annotations

from tests.conformance.raw_http import request
from tests.conformance.running_server import RunningServer

# Scrapes until something must have happened: minutes, where it takes milliseconds.
_SCRAPES_MAX = 100_000


def metrics_page(server: RunningServer) -> str:
    """Return the page as text."""
    answer = request(server.metrics_port, "GET", "/metrics")
    assert answer.status == 200
    return answer.body.decode()


def wait_until_metrics_say(server: RunningServer, line: str) -> None:
    """Return once this line, without its end, is on the page."""
    for _ in range(_SCRAPES_MAX):
        if f"{line}\n" in metrics_page(server):
            return
    raise AssertionError(f"the metrics never said {line!r}, but:\n{metrics_page(server)}")


def wait_until_waiting(server: RunningServer, count: int, model: str = "slow") -> None:
    """Return when so many requests of a model wait, which is behind one that runs."""
    name = "nv_inference_pending_request_count"
    wait_until_metrics_say(server, f'{name}{{model="{model}",version="1"}} {count}')


def wait_until_cancelled(server: RunningServer, count: int, model: str = "slow") -> None:
    """Return when so many requests of a model were counted as cancelled."""
    labels = f'model="{model}",reason="CANCELED",version="1"'
    wait_until_metrics_say(server, f"nv_inference_request_failure{{{labels}}} {count}")
