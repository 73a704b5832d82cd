"""Every option of the command line: Triton's, with its defaults, and a few of our own.

The order is that of the usage text. An option that has no effect yet is read and checked all the
same, so that a start script made for Triton runs and a mistake in it is found.
"""

from __future__ import annotations

from typing import Final

from tritonpy.options.readers import (
    INT32_MAX,
    INT64_MAX,
    Reader,
    boolean,
    choice,
    decimal,
    device_size,
    gpu_limit,
    integer,
    metrics_setting,
    rate_limit_resource,
    restriction,
    scoped_setting,
    text,
    verbosity,
)
from tritonpy.options.spec import Effect, OptionSpec, Section

_FULL, _DEFAULT_ONLY, _NONE = Effect.FULL, Effect.DEFAULT_ONLY, Effect.NONE
_PORT: Final = integer(0, 65535)
_POSITIVE: Final = integer(1)
_COUNT: Final = integer(0)
_BYTES: Final = integer(0, INT64_MAX)
_THREADS: Final = integer(1, 1024)
IO_THREADS_MAX: Final = 64  # as the core's limits say


def _bool(name: str, default: bool, meaning: str, effect: Effect = _FULL) -> OptionSpec:
    return OptionSpec(name, boolean, "boolean", default, meaning, effect)


def _int(
    name: str, default: int, meaning: str, effect: Effect = _FULL, read: Reader = _COUNT
) -> OptionSpec:
    return OptionSpec(name, read, "integer", default, meaning, effect)


def _native(name: str, default: int, meaning: str, read: Reader = _COUNT) -> OptionSpec:
    """Return an option that the Python front end cannot do."""
    return OptionSpec(name, read, "integer", default, meaning, frontend="native")


def _text(name: str, default: str, meaning: str, effect: Effect = _FULL) -> OptionSpec:
    return OptionSpec(name, text, "string", default, meaning, effect)


def _choice(name: str, words: tuple[str, ...], meaning: str, effect: Effect = _FULL) -> OptionSpec:
    return OptionSpec(name, choice(name, words), "|".join(words), words[0], meaning, effect)


def _list(
    name: str, read: Reader, placeholder: str, meaning: str, effect: Effect = _FULL
) -> OptionSpec:
    return OptionSpec(name, read, placeholder, (), meaning, effect, repeatable=True)


def _tls_options(protocol: str) -> tuple[OptionSpec, ...]:
    return (
        _bool(f"{protocol}-use-ssl", False, "Speak TLS. SIGHUP reads the files again."),
        _bool(
            f"{protocol}-use-ssl-mutual",
            False,
            "Speak TLS and ask clients for their certificate.",
        ),
        _text(f"{protocol}-server-cert", "", "PEM file of the server's certificate."),
        _text(f"{protocol}-server-key", "", "PEM file of the server's key."),
        _text(
            f"{protocol}-root-cert",
            "",
            "PEM file of the certificates that clients are checked with.",
        ),
    )


def _deprecated(
    name: str, read: Reader, default: object, replaced_by: str, effect: Effect = _NONE
) -> OptionSpec:
    meaning = f"Deprecated: use --{replaced_by}."
    return OptionSpec(name, read, "value", default, meaning, effect, replaced_by=replaced_by)


_SERVER = Section(
    "Server",
    (
        OptionSpec("help", text, "", False, "Show this text and exit."),
        _text("id", "triton", "Name of this server in its metadata."),
        _choice("frontend", ("native", "python"), "What carries HTTP and gRPC."),
        _int("exit-timeout-secs", 30, "How long a stopping server waits for requests in flight."),
        _bool("exit-on-error", True, "Exit when a model fails to load at start."),
        _bool("strict-readiness", True, "Be ready only while every model is; false: once started."),
    ),
)
_CONNECTIONS = Section(
    "Connections of HTTP and gRPC",
    (
        _native(
            "io-threads",
            0,
            "Threads that serve connections (native); 0: one for each core, at most 4.",
            integer(0, IO_THREADS_MAX),
        ),
        _native(
            "max-connections",
            0,
            "Connections at once (native), more wait; 0: what the process may open.",
        ),
        _int("idle-timeout-secs", 3600, "How long a connection may do nothing.", read=_POSITIVE),
        _native(
            "request-timeout-secs",
            60,
            "How long a request may take to arrive (native), unless it is large and keeps coming.",
            _POSITIVE,
        ),
    ),
)
_REPOSITORY = Section(
    "Models",
    (
        _list("model-repository", text, "place", "A directory, s3://, gs:// or as:// of models."),
        _list("model-store", text, "directory", "The same as --model-repository."),
        _list("repo", text, "directory", "The same as --model-repository."),
        _choice(
            "model-control-mode",
            ("none", "explicit", "poll"),
            "none: every model is loaded at start; explicit: those of --load-model, and what the "
            "load and unload calls ask for; poll: as none, and what changes in a repository is "
            "loaded or unloaded as soon as its files are complete.",
        ),
        _list("load-model", text, "name", "Load this model at start, * for all (explicit mode)."),
        _text("cloud-cache-directory", "", "Keep copies here, and serve them if a cloud is away."),
        _int("cloud-timeout-secs", 15, "How long a cloud may be silent.", read=_POSITIVE),
        _int("cloud-attempts", 3, "How often requests to an S3 are tried.", read=_POSITIVE),
        _int("repository-poll-secs", 15, "How often poll mode looks for changes; 0: never."),
        _text("model-config-name", "", "Use configs/<string>.pbtxt of a model where it exists."),
        OptionSpec(
            "disable-auto-complete-config",
            text,
            "",
            False,
            "Take each config as it is written, adding nothing from the model's files.",
        ),
        _int("model-load-thread-count", 4, "How many models load at once.", read=_THREADS),
        _int("model-load-retry-count", 0, "How often a failed load of a version is tried again."),
        _bool("model-namespacing", False, "Let repositories share model names."),
        _bool("load-on-demand", False, "Load a model when it is first asked for, not at start."),
        _list("pin-model", text, "name", "Load this model at start all the same, and keep it."),
        _int("model-memory-budget", 0, "Bytes that models may take; 0: any.", read=_BYTES),
        _bool("enable-peer-access", True, "Let GPUs read each other's memory.", _NONE),
    ),
)
_HTTP = Section(
    "HTTP",
    (
        _bool("allow-http", True, "Serve HTTP."),
        _text("http-address", "0.0.0.0", "Address that HTTP listens at."),
        _int("http-port", 8000, "Port that HTTP listens at.", read=_PORT),
        _bool("reuse-http-port", False, "Let several servers listen at the HTTP port."),
        _text("http-header-forward-pattern", "", "Headers that become request parameters."),
        _int("http-thread-count", 8, "Threads that serve HTTP.", _NONE, _THREADS),
        _int(
            "http-max-input-size",
            64 * 1024 * 1024,
            "Bytes that one HTTP request may have.",
            read=integer(-INT64_MAX, INT64_MAX),
        ),
        *_tls_options("http"),
        _list("http-restricted-api", restriction, "rule", "Calls that need a header.", _NONE),
    ),
)
_GRPC = Section(
    "gRPC",
    (
        _bool("allow-grpc", True, "Serve gRPC."),
        _text("grpc-address", "0.0.0.0", "Address that gRPC listens at."),
        _int("grpc-port", 8001, "Port that gRPC listens at.", read=_PORT),
        _bool("reuse-grpc-port", False, "Let several servers listen at the gRPC port."),
        _text("grpc-header-forward-pattern", "", "Headers that become request parameters."),
        _int(
            "grpc-infer-thread-count",
            2,
            "Threads that serve gRPC inference.",
            _NONE,
            integer(2, 128, "--grpc-infer-thread-count must be in the range [2, 128]"),
        ),
        _int("grpc-infer-allocation-pool-size", 8, "Request states that are kept.", _NONE),
        _int(
            "grpc-max-response-pool-size",
            INT32_MAX,
            "Responses of a stream that may wait to be written.",
            _DEFAULT_ONLY,
            integer(),
        ),
        *_tls_options("grpc"),
        _int(
            "grpc-max-receive-message-size",
            INT32_MAX,
            "Bytes that one message from a client may have.",
            read=integer(1, INT32_MAX),
        ),
        _choice(
            "grpc-infer-response-compression-level",
            ("none", "low", "medium", "high"),
            "How much responses are compressed.",
        ),
        _int("grpc-keepalive-time", 7_200_000, "Milliseconds of silence before a ping."),
        _int("grpc-keepalive-timeout", 20_000, "Milliseconds that a ping may stay unanswered."),
        _bool("grpc-keepalive-permit-without-calls", False, "Ping without calls, too."),
        _int("grpc-http2-max-pings-without-data", 2, "Pings in a row without data."),
        _int(
            "grpc-http2-min-recv-ping-interval-without-data",
            300_000,
            "Milliseconds that must pass between a client's pings.",
        ),
        _int("grpc-http2-max-ping-strikes", 2, "Pings that may come too early."),
        _int("grpc-max-connection-age", 0, "Milliseconds that a connection may last; 0: any."),
        _int("grpc-max-connection-age-grace", 0, "Milliseconds that its calls get to end; 0: any."),
        _list("grpc-restricted-protocol", restriction, "rule", "Calls that need a header.", _NONE),
    ),
)
_METRICS = Section(
    "Metrics",
    (
        _bool("allow-metrics", True, "Serve metrics."),
        _bool("allow-gpu-metrics", True, "Measure GPUs.", _NONE),
        _bool("allow-cpu-metrics", True, "Measure processors and memory.", _NONE),
        _text("metrics-address", "", "Address that metrics listen at; empty: that of HTTP."),
        _int("metrics-port", 8002, "Port that metrics listen at.", read=_PORT),
        _int("metrics-interval-ms", 2000, "How often devices are measured.", _NONE, _POSITIVE),
        _list("metrics-config", metrics_setting, "setting=value", "One setting of the metrics."),
    ),
)
_LOG = Section(
    "Log",
    (
        OptionSpec("log-verbose", verbosity, "level", 0, "How much detail is logged; 0: none."),
        _bool("log-info", True, "Log information."),
        _bool("log-warning", True, "Log warnings."),
        _bool("log-error", True, "Log errors."),
        OptionSpec(
            "log-format",
            choice("log-format", ("default", "ISO8601")),
            "default|ISO8601",
            "default",
            "How lines of the log look.",
        ),
        _text("log-file", "", "Log to this file instead of stdout and stderr."),
    ),
)
_CLOUDS = Section(
    "SageMaker and Vertex AI",
    (
        _bool("allow-sagemaker", False, "Serve SageMaker's calls.", _DEFAULT_ONLY),
        _int("sagemaker-port", 8080, "Port for SageMaker.", _NONE, _PORT),
        _text("sagemaker-safe-port-range", "", "Ports that SageMaker allows.", _NONE),
        _int("sagemaker-thread-count", 8, "Threads that serve SageMaker.", _NONE, _THREADS),
        _bool("allow-vertex-ai", False, "Serve Vertex AI's calls.", _DEFAULT_ONLY),
        _int("vertex-ai-port", 8080, "Port for Vertex AI.", _NONE, _PORT),
        _int("vertex-ai-thread-count", 8, "Threads that serve Vertex AI.", _NONE, _THREADS),
        _text("vertex-ai-default-model", "", "Model that plain Vertex AI calls go to.", _NONE),
    ),
)
_RESOURCES = Section(
    "Scheduling, memory and devices",
    (
        _list(
            "trace-config",
            scoped_setting("trace-config", "trace mode", scope_required=False),
            "[mode,]setting=value",
            "One setting of tracing.",
            _NONE,
        ),
        _list(
            "cache-config",
            scoped_setting("cache-config", "cache name", scope_required=True),
            "cache,setting=value",
            "One setting of the response cache: local,size=<bytes>, or of a redis server that "
            "keeps answers, for several servers: redis,host=<name>, redis,port=<number>; also "
            "user, password, db, connect_timeout and socket_timeout (ms). Models whose config "
            "enables it answer equal requests from there.",
        ),
        _text("cache-directory", "/opt/tritonserver/caches", "Where caches are found.", _NONE),
        _choice(
            "rate-limit",
            ("off", "execution_count"),
            "execution_count: instances run only while the resources of their config are free, "
            "those with the fewest executions times priority first.",
        ),
        _list(
            "rate-limit-resource",
            rate_limit_resource,
            "name:count[:device]",
            "How much there is of a resource; without it as much as the neediest instance wants.",
        ),
        _int(
            "pinned-memory-pool-byte-size",
            256 * 1024 * 1024,
            "Bytes of pinned memory.",
            _NONE,
            integer(0, INT64_MAX),
        ),
        _list(
            "cuda-memory-pool-byte-size",
            device_size("cuda-memory-pool-byte-size"),
            "GPU:bytes",
            "Bytes of memory kept on a GPU.",
            _NONE,
        ),
        _list(
            "cuda-virtual-address-size",
            device_size("cuda-virtual-address-size"),
            "GPU:bytes",
            "Bytes of addresses kept for a GPU.",
            _NONE,
        ),
        OptionSpec(
            "min-supported-compute-capability",
            decimal,
            "number",
            6.0,
            "GPUs of less are not used.",
            _NONE,
        ),
        _int("buffer-manager-thread-count", 0, "Threads that copy tensors.", _NONE),
        _list(
            "host-policy",
            scoped_setting("host-policy", "policy name", scope_required=True),
            "policy,setting=value",
            "Where instances of a host policy run: cpu-cores=<first>-<last>, or numa-node=<node>.",
        ),
        _list("model-load-gpu-limit", gpu_limit, "device:fraction", "Memory for models.", _NONE),
        _bool("allow-client-shm", False, "Let clients register shared memory.", _DEFAULT_ONLY),
        _text(
            "backend-directory",
            "/opt/tritonserver/backends",
            "Where backends that are Python programs are: <backend>/model.py.",
        ),
        _list(
            "backend-config",
            scoped_setting("backend-config", "backend name", scope_required=False),
            "[backend,]setting=value",
            "One setting of a backend, or of all: default-max-batch-size, and of python "
            "stub-timeout-seconds (how long a worker may take to end). What else Triton's python "
            "backend has, sizes of shared memory above all, is taken and not needed.",
        ),
        _int(
            "python-worker-timeout",
            0,
            "Seconds that one execution of a Python model may take before its worker is killed and "
            "started again; 0: any time.",
        ),
        _int(
            "python-load-timeout",
            0,
            "Seconds that a Python model may take to be imported and initialised, or to complete "
            "its config, before its worker is killed and its load fails; 0: any time.",
        ),
        _text("repoagent-directory", "/opt/tritonserver/repoagents", "Agents: <name>/agent.py."),
    ),
)
_DEPRECATED = Section(
    "Deprecated",
    (
        _deprecated(
            "strict-model-config", boolean, False, "disable-auto-complete-config", Effect.FULL
        ),
        _deprecated(
            "response-cache-byte-size", integer(0, INT64_MAX), 0, "cache-config", Effect.FULL
        ),
        _deprecated("trace-file", text, "", "trace-config"),
        _deprecated("trace-level", text, "OFF", "trace-config"),
        _deprecated("trace-rate", _COUNT, 1000, "trace-config"),
        _deprecated("trace-count", integer(-1), -1, "trace-config"),
        _deprecated("trace-log-frequency", _COUNT, 0, "trace-config"),
    ),
)

SECTIONS: Final = (
    _SERVER,
    _CONNECTIONS,
    _REPOSITORY,
    _HTTP,
    _GRPC,
    _METRICS,
    _LOG,
    _CLOUDS,
    _RESOURCES,
    _DEPRECATED,
)
OPTIONS: Final = {option.name: option for section in SECTIONS for option in section.options}
