"""Goal: a start script made for Triton runs. Method: every option of its, in both spellings."""

from __future__ import annotations

import pytest

from tritonpy.options import UsageError, parse_options, usage
from tritonpy.options.table import OPTIONS

# Each with a value that its option can have; None for a flag.
TRITON_OPTIONS: dict[str, str | None] = {
    "id": "prod",
    "exit-timeout-secs": "5",
    "model-store": "/models",
    "model-repository": "/models",
    "exit-on-error": "false",
    "disable-auto-complete-config": None,
    "strict-readiness": "Off",
    "model-control-mode": "explicit",
    "repository-poll-secs": "0",
    "load-model": "m",
    "model-config-name": "h100",
    "model-load-thread-count": "8",
    "model-load-retry-count": "2",
    "model-namespacing": "true",
    "enable-peer-access": "FALSE",
    "allow-http": "1",
    "http-address": "127.0.0.1",
    "http-port": "9000",
    "reuse-http-port": "on",
    "http-header-forward-pattern": "x-.*",
    "http-thread-count": "16",
    "http-max-input-size": "134217728",
    "http-restricted-api": "model-repository,health:admin-key=secret=1",
    "allow-grpc": "0",
    "grpc-address": "127.0.0.1",
    "grpc-port": "9001",
    "reuse-grpc-port": "True",
    "grpc-header-forward-pattern": "x-.*",
    "grpc-infer-thread-count": "128",
    "grpc-infer-allocation-pool-size": "16",
    "grpc-max-response-pool-size": "8",
    "grpc-use-ssl": "false",
    "grpc-use-ssl-mutual": "false",
    "grpc-server-cert": "cert.pem",
    "grpc-server-key": "key.pem",
    "grpc-root-cert": "root.pem",
    "grpc-infer-response-compression-level": "medium",
    "grpc-keepalive-time": "10000",
    "grpc-keepalive-timeout": "500",
    "grpc-keepalive-permit-without-calls": "true",
    "grpc-http2-max-pings-without-data": "0",
    "grpc-http2-min-recv-ping-interval-without-data": "100",
    "grpc-http2-max-ping-strikes": "0",
    "grpc-max-connection-age": "1000",
    "grpc-max-connection-age-grace": "100",
    "grpc-restricted-protocol": "inference:key=value",
    "log-verbose": "2",
    "log-info": "false",
    "log-warning": "false",
    "log-error": "false",
    "log-format": "ISO8601",
    "log-file": "/tmp/log",
    "allow-sagemaker": "false",
    "sagemaker-port": "8081",
    "sagemaker-safe-port-range": "8000-9000",
    "sagemaker-thread-count": "4",
    "allow-vertex-ai": "false",
    "vertex-ai-port": "8081",
    "vertex-ai-thread-count": "4",
    "vertex-ai-default-model": "m",
    "allow-metrics": "false",
    "allow-gpu-metrics": "false",
    "allow-cpu-metrics": "false",
    "metrics-address": "127.0.0.1",
    "metrics-port": "9002",
    "metrics-interval-ms": "500",
    "metrics-config": "summary_quantiles=0.5:0.05,0.9:0.01",
    "trace-config": "triton,file=/tmp/trace",
    "cache-config": "local,size=1048576",
    "cache-directory": "/caches",
    "rate-limit": "execution_count",
    "rate-limit-resource": "R1:10:0",
    "pinned-memory-pool-byte-size": "4294967296",
    "cuda-memory-pool-byte-size": "0:1048576",
    "cuda-virtual-address-size": "0:1048576",
    "min-supported-compute-capability": "7.5",
    "buffer-manager-thread-count": "2",
    "host-policy": "gpu_0,cpu-cores=0-3",
    "model-load-gpu-limit": "0:0.8",
    "allow-client-shm": "false",
    "backend-directory": "/backends",
    "backend-config": "onnxruntime,default-max-batch-size=8",
    "repoagent-directory": "/agents",
    "strict-model-config": "false",
    "response-cache-byte-size": "1048576",
    "trace-file": "/tmp/trace",
    "trace-level": "TIMESTAMPS",
    "trace-rate": "1",
    "trace-count": "-1",
    "trace-log-frequency": "10",
}
REPEATABLE = {
    "model-store",
    "model-repository",
    "load-model",
    "http-restricted-api",
    "grpc-restricted-protocol",
    "metrics-config",
    "trace-config",
    "cache-config",
    "rate-limit-resource",
    "cuda-memory-pool-byte-size",
    "cuda-virtual-address-size",
    "host-policy",
    "model-load-gpu-limit",
    "backend-config",
}
# What must be given for the option to be allowed at all.
_CONTEXT = {"load-model": ["--model-control-mode=explicit"]}
_OURS = {
    "help",
    "repo",
    "frontend",
    "io-threads",
    "max-connections",
    "idle-timeout-secs",
    "request-timeout-secs",
    "python-worker-timeout",
    "python-load-timeout",
    "cloud-attempts",
    "cloud-cache-directory",
    "cloud-timeout-secs",
    "load-on-demand",
    "model-memory-budget",
    "pin-model",
    "http-use-ssl",
    "http-use-ssl-mutual",
    "http-server-cert",
    "http-server-key",
    "http-root-cert",
    "grpc-max-receive-message-size",
}


def _base(name: str) -> list[str]:
    return [*_CONTEXT.get(name, []), "--model-repository=/models"]


@pytest.mark.parametrize(("name", "value"), TRITON_OPTIONS.items(), ids=TRITON_OPTIONS.keys())
def test_option_means_the_same_in_both_spellings(name: str, value: str | None) -> None:
    if value is None:
        assert not parse_options([f"--{name}", *_base(name)], {}).options.repository.auto_complete
        return
    joined = parse_options([*_base(name), f"--{name}={value}"], {})
    apart = parse_options([*_base(name), f"--{name}", value], {})
    assert joined == apart


@pytest.mark.parametrize("name", [name for name in TRITON_OPTIONS if TRITON_OPTIONS[name]])
def test_option_without_its_value_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"option '--{name}' requires an argument"):
        parse_options([*_base(name), f"--{name}"], {})


def test_the_table_has_triton_options_and_ours_and_no_others() -> None:
    assert OPTIONS.keys() == TRITON_OPTIONS.keys() | _OURS


def test_the_same_options_are_repeatable_as_in_triton() -> None:
    assert {name for name, spec in OPTIONS.items() if spec.repeatable} == (
        REPEATABLE | {"repo", "pin-model"}
    )


def test_usage_names_every_option() -> None:
    text = usage()
    assert [name for name in OPTIONS if f"--{name}" not in text] == []


@pytest.mark.parametrize("name", OPTIONS)
def test_a_default_is_what_the_reader_makes_of_its_own_text(name: str) -> None:
    spec = OPTIONS[name]
    if spec.repeatable or spec.is_flag:
        assert not spec.default
    else:
        assert spec.read(str(spec.default)) == spec.default
