"""Makes ServerOptions of a command line: what options mean together, and what they forbid.

Rules and texts are those of Triton's command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from tritonpy.options.command_line import CommandLine, UsageError, read_command_line
from tritonpy.options.limits import limit_options
from tritonpy.options.readers import OptionError, Setting, integer
from tritonpy.options.settings import (
    ConnectionOptions,
    ControlMode,
    GrpcKeepalive,
    GrpcOptions,
    HttpOptions,
    LogOptions,
    MetricsOptions,
    PythonOptions,
    RepositoryOptions,
    ServerOptions,
    TlsFiles,
)
from tritonpy.options.spec import Effect
from tritonpy.options.table import OPTIONS

_REPOSITORY_OPTIONS = ("model-repository", "model-store", "repo")
_CLOUDS = ("s3", "gs", "as")
_DEFAULT_BATCH = "default-max-batch-size"
_COUNTERS, _HISTOGRAMS = "counter_latencies", "histogram_latencies"
_STUB_TIMEOUT = "stub-timeout-seconds"
# Settings of Triton's Python backend that have no meaning here: memory grows by itself, in files
# without names, and messages queue in the kernel.
_MEANINGLESS_OF_PYTHON = frozenset(
    (
        "shm-default-byte-size",
        "shm-growth-byte-size",
        "shm-region-prefix-name",
        "shm_message_queue_size",
        "thread-pool-size",
    )
)


class HelpRequested(Exception):
    """The usage text was asked for, and nothing else is to be done."""


@dataclass(frozen=True, slots=True)
class ParsedOptions:
    """What was asked for, and what the operator should know about how it was asked for."""

    options: ServerOptions
    warnings: tuple[str, ...]


def parse_options(arguments: Sequence[str], environment: Mapping[str, str]) -> ParsedOptions:
    """Read the arguments of `serve`. Raises UsageError or OptionError with one line of text.

    Raises HelpRequested for `--help` or `-h`, whatever else a line that can be read lacks.
    """
    line = read_command_line(arguments)
    if line.has("help"):
        raise HelpRequested
    limits = limit_options(line, environment)
    options = ServerOptions(
        repository=replace(
            _repository_options(line, environment), shares_answers=limits.redis_cache is not None
        ),
        server_id=line.value("id", str),
        frontend=line.value("frontend", str),
        connections=_connection_options(line),
        http=_http_options(line),
        grpc=_grpc_options(line),
        metrics=_metrics_options(line),
        log=_log_options(line, environment),
        limits=limits,
        python=_python_options(line),
        exit_timeout_s=line.value("exit-timeout-secs", int),
        exit_on_error=line.value("exit-on-error", bool),
        strict_readiness=line.value("strict-readiness", bool),
    )
    _require_room_for_responses(line)
    _require_ports_apart(options)
    return ParsedOptions(options, (*_deprecations(line), *_without_effect(line)))


def _repository_options(line: CommandLine, environment: Mapping[str, str]) -> RepositoryOptions:
    mode = line.value("model-control-mode", str)
    startup_models = line.values("load-model", str)
    if startup_models and mode != "explicit":
        raise OptionError(
            "Error: Use of '--load-model' requires setting '--model-control-mode=explicit' as well."
        )
    if "*" in startup_models and set(startup_models) != {"*"}:
        raise OptionError(
            "Error: Wildcard model name '*' must be the ONLY startup model if specified at all."
        )
    on_demand = line.value("load-on-demand", bool)
    for name in ("pin-model", "model-memory-budget"):
        if line.has(name) and not on_demand:
            raise OptionError(f"Error: Use of '--{name}' requires setting '--load-on-demand=true'.")
    if line.has("model-config-name") and not line.value("model-config-name", str):
        raise OptionError("Error: empty argument for --model-config-name")
    strict = line.value("strict-model-config", bool)
    return RepositoryOptions(
        paths=tuple(Path(path) for path in _repositories(line) if "://" not in path),
        clouds=tuple(path for path in _repositories(line) if "://" in path),
        cloud_cache=_cloud_cache(line),
        cloud_timeout_s=line.value("cloud-timeout-secs", int),
        cloud_attempts=line.value("cloud-attempts", int),
        model_file=_model_file(line),
        control_mode=ControlMode(mode),
        poll_interval_s=line.value("repository-poll-secs", int),
        startup_models=tuple(dict.fromkeys(startup_models)),
        auto_complete=not (line.value("disable-auto-complete-config", bool) or strict),
        config_name=line.value("model-config-name", str),
        load_threads=line.value("model-load-thread-count", int),
        load_retries=line.value("model-load-retry-count", int),
        default_max_batch_sizes=tuple(_default_batch_sizes(line)),
        model_namespacing=line.value("model-namespacing", bool),
        load_on_demand=on_demand,
        pinned_models=tuple(dict.fromkeys(line.values("pin-model", str))),
        memory_budget=line.value("model-memory-budget", int),
        agent_directory=Path(line.value("repoagent-directory", str)),
        backend_directory=Path(line.value("backend-directory", str)),
        histogram_latencies=_metrics_flag(line, _HISTOGRAMS, default=False),
        python_worker_timeout_s=line.value("python-worker-timeout", int),
        delay_until_queued=_hold(environment, "TRITONSERVER_DELAY_SCHEDULER"),
        delay_until_backlogged=_hold(environment, "TRITONSERVER_BACKLOG_DELAY_SCHEDULER"),
    )


def _repositories(line: CommandLine) -> tuple[str, ...]:
    given = [path for name in _REPOSITORY_OPTIONS for path in line.values(name, str)]
    for path in given:
        scheme, separator, _ = path.partition("://")
        if separator and scheme not in _CLOUDS:
            raise OptionError(
                f"Error: model repository '{path}' is not supported: {scheme}:// is none of s3://, "
                "gs:// and as://"
            )
    return tuple(dict.fromkeys(given))


def _cloud_cache(line: CommandLine) -> Path | None:
    given = line.value("cloud-cache-directory", str)
    return Path(given) if given else None


def _model_file(line: CommandLine) -> Path | None:
    repositories = any(line.has(name) for name in _REPOSITORY_OPTIONS)
    if not line.arguments:
        if not repositories:
            raise OptionError("Error: --model-repository must be specified")
        return None
    first, *others = line.arguments
    if others or repositories or not first.endswith((".onnx", ".py")):
        raise UsageError(f"Unexpected argument: {others[0] if others else first}")
    path = Path(first)
    if not path.exists():
        raise OptionError(f"Error: model file '{first}' does not exist")
    return path


def _default_batch_sizes(line: CommandLine) -> Iterator[tuple[str, int]]:
    for setting in line.values("backend-config", Setting):
        if setting.key == _DEFAULT_BATCH:
            try:
                yield setting.scope, integer(0)(setting.value)
            except OptionError as error:
                raise OptionError(f"--backend-config {_DEFAULT_BATCH}: {error}") from error


def _hold(environment: Mapping[str, str], name: str) -> int:
    try:
        return integer(0)(environment.get(name, "0"))
    except OptionError as error:
        raise OptionError(f"{name}: {error}") from error


def _connection_options(line: CommandLine) -> ConnectionOptions:
    return ConnectionOptions(
        io_threads=line.value("io-threads", int),
        max_connections=line.value("max-connections", int),
        idle_timeout_s=line.value("idle-timeout-secs", int),
        request_timeout_s=line.value("request-timeout-secs", int),
    )


def _http_options(line: CommandLine) -> HttpOptions:
    max_input_size = line.value("http-max-input-size", int)
    if max_input_size <= 0:
        raise OptionError("Error: --http-max-input-size must be greater than 0.")
    return HttpOptions(
        enabled=line.value("allow-http", bool),
        address=line.value("http-address", str),
        port=line.value("http-port", int),
        reuse_port=line.value("reuse-http-port", bool),
        tls=_tls_files(line, "http", "HTTP"),
        max_input_size=max_input_size,
        header_forward_pattern=line.value("http-header-forward-pattern", str),
    )


def _grpc_options(line: CommandLine) -> GrpcOptions:
    return GrpcOptions(
        enabled=line.value("allow-grpc", bool),
        address=line.value("grpc-address", str),
        port=line.value("grpc-port", int),
        reuse_port=line.value("reuse-grpc-port", bool),
        tls=_tls_files(line, "grpc", "gRPC"),
        max_receive_message_size=line.value("grpc-max-receive-message-size", int),
        compression_level=line.value("grpc-infer-response-compression-level", str),
        header_forward_pattern=line.value("grpc-header-forward-pattern", str),
        keepalive=GrpcKeepalive(
            time_ms=line.value("grpc-keepalive-time", int),
            timeout_ms=line.value("grpc-keepalive-timeout", int),
            permit_without_calls=line.value("grpc-keepalive-permit-without-calls", bool),
            max_pings_without_data=line.value("grpc-http2-max-pings-without-data", int),
            min_recv_ping_interval_ms=line.value(
                "grpc-http2-min-recv-ping-interval-without-data", int
            ),
            max_ping_strikes=line.value("grpc-http2-max-ping-strikes", int),
            max_connection_age_ms=line.value("grpc-max-connection-age", int),
            max_connection_age_grace_ms=line.value("grpc-max-connection-age-grace", int),
        ),
    )


def _tls_files(line: CommandLine, protocol: str, title: str) -> TlsFiles | None:
    mutual = line.value(f"{protocol}-use-ssl-mutual", bool)
    if not mutual and not line.value(f"{protocol}-use-ssl", bool):
        return None
    required = [f"{protocol}-server-cert", f"{protocol}-server-key"]
    if mutual:
        required.append(f"{protocol}-root-cert")
    for name in required:
        if not line.value(name, str):
            raise OptionError(f"Error: TLS for {title} requires --{name}")
    root_cert = line.value(f"{protocol}-root-cert", str)
    return TlsFiles(
        server_cert=Path(line.value(f"{protocol}-server-cert", str)),
        server_key=Path(line.value(f"{protocol}-server-key", str)),
        root_cert=Path(root_cert) if root_cert else None,
        mutual=mutual,
    )


def _metrics_flag(line: CommandLine, key: str, *, default: bool) -> bool:
    value = default
    for setting in line.values("metrics-config", Setting):
        if setting.key == key:
            value = _read_boolean(setting)
    return value


def _metrics_options(line: CommandLine) -> MetricsOptions:
    return MetricsOptions(
        enabled=line.value("allow-metrics", bool),
        address=line.value("metrics-address", str) or line.value("http-address", str),
        port=line.value("metrics-port", int),
        counter_latencies=_metrics_flag(line, _COUNTERS, default=True),
    )


def _python_options(line: CommandLine) -> PythonOptions:
    stub_timeout_s = PythonOptions().stub_timeout_s
    for setting in line.values("backend-config", Setting):
        if _is_of_python(setting) and setting.key == _STUB_TIMEOUT:
            try:
                stub_timeout_s = integer(1)(setting.value)
            except OptionError as error:
                raise OptionError(f"--backend-config {_STUB_TIMEOUT}: {error}") from error
    return PythonOptions(stub_timeout_s, line.value("python-load-timeout", int))


def _is_of_python(setting: Setting) -> bool:
    return setting.scope == "python"


def _read_boolean(setting: Setting) -> bool:
    if setting.value not in ("true", "false"):
        raise OptionError(f"--metrics-config {setting.key} must be true or false")
    return setting.value == "true"


def _log_options(line: CommandLine, environment: Mapping[str, str]) -> LogOptions:
    return LogOptions(
        info=line.value("log-info", bool),
        warning=line.value("log-warning", bool),
        error=line.value("log-error", bool),
        verbose_level=line.value("log-verbose", int),
        format=line.value("log-format", str),
        file=line.value("log-file", str),
        escape=environment.get("TRITON_SERVER_ESCAPE_LOG_MESSAGES") != "0",
    )


def _require_room_for_responses(line: CommandLine) -> None:
    if line.value("grpc-max-response-pool-size", int) <= 0:
        raise OptionError("Error: --grpc-max-response-pool-size must be greater than 0.")


def _require_ports_apart(options: ServerOptions) -> None:
    listeners = [
        (name, listener.address, listener.port)
        for name, listener in (
            ("HTTP", options.http),
            ("GRPC", options.grpc),
            ("metrics", options.metrics),
        )
        if listener.enabled and listener.port
    ]
    for (name, address, port), (other, *place) in combinations(listeners, 2):
        if [address, port] == place:
            raise OptionError(
                f"The server cannot listen to {name} requests and {other} requests at the same "
                f"address and port {address}:{port}"
            )


def _deprecations(line: CommandLine) -> Iterator[str]:
    for name in line.given:
        replacement = OPTIONS[name].replaced_by
        if replacement:
            yield f"'--{name}' has been deprecated, use '--{replacement}' instead."
            if line.has(replacement):
                yield f"Overriding deprecated '--{name}' with '--{replacement}'."


def _without_effect(line: CommandLine) -> Iterator[str]:
    frontend = line.value("frontend", str)
    for name, values in line.given.items():
        spec = OPTIONS[name]
        if spec.frontend not in ("", frontend):
            yield f"'--{name}' has no effect with --frontend {frontend}"
        differs = any(value != spec.default for value in values)
        if spec.effect is Effect.NONE or (spec.effect is Effect.DEFAULT_ONLY and differs):
            yield f"'--{name}' is accepted but has no effect yet"
    for setting in line.values("backend-config", Setting):
        is_known = setting.key == _DEFAULT_BATCH or (
            _is_of_python(setting) and setting.key in (_STUB_TIMEOUT, *_MEANINGLESS_OF_PYTHON)
        )
        if not is_known:
            yield f"'--backend-config' {setting.key} is accepted but has no effect yet"
    for setting in line.values("metrics-config", Setting):
        if setting.key not in (_COUNTERS, _HISTOGRAMS) and setting.value != "false":
            yield f"'--metrics-config' {setting.key} is accepted but has no effect yet"
