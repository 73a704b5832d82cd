"""What a server was asked to be: plain values, made once from the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path


class ControlMode(Enum):
    """Who decides which models are loaded; values as `--model-control-mode` spells them."""

    NONE = "none"  # all of them, at start
    POLL = "poll"  # all of them, at start and whenever their files change
    EXPLICIT = "explicit"  # those of --load-model, then whoever calls load and unload


@dataclass(frozen=True, slots=True)
class RepositoryOptions:
    """Which models there are, and how they are loaded."""

    paths: tuple[Path, ...] = ()
    clouds: tuple[str, ...] = ()  # URLs of more repositories
    cloud_cache: Path | None = None  # where copies of those stay for the next server
    cloud_timeout_s: float = 15  # what a cloud may say nothing for
    cloud_attempts: int = 3  # of each request to one
    model_file: Path | None = None  # one model file instead of directories
    control_mode: ControlMode = ControlMode.NONE
    poll_interval_s: int = 15  # poll mode only; 0: never look again
    startup_models: tuple[str, ...] = ()  # explicit mode only; ("*",) is every model
    auto_complete: bool = True
    config_name: str = ""  # configs/<config_name>.pbtxt instead of config.pbtxt, where it exists
    load_threads: int = 4
    load_retries: int = 0
    # By backend name, "" for all: what max_batch_size becomes where a model can batch.
    default_max_batch_sizes: tuple[tuple[str, int], ...] = ()
    model_namespacing: bool = False  # each repository is a namespace of models
    backend_directory: Path = Path("/opt/tritonserver/backends")  # of backends that are Python
    histogram_latencies: bool = False  # measure how long requests wait for a first response
    agent_directory: Path = Path("/opt/tritonserver/repoagents")  # of agents that are Python
    python_worker_timeout_s: int = 0  # what one execution of a Python model may take; 0: unlimited
    load_on_demand: bool = False  # models load when they are first asked for
    pinned_models: tuple[str, ...] = ()  # which load at start all the same, and stay
    memory_budget: int = 0  # bytes that models on demand may take; 0: any
    shares_answers: bool = False  # with other servers, so what models are made of must be told
    delay_until_queued: int = 0  # test hook: hold first batches until so many requests wait
    delay_until_backlogged: int = 0  # test hook: run no sequence until so many have no slot


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """The connections of HTTP and gRPC together, and the threads that serve them."""

    io_threads: int = 0  # 0: as many as the cores allow, at most 4
    max_connections: int = 0  # 0: what the descriptors of the process allow
    idle_timeout_s: int = 3600
    request_timeout_s: int = 60  # from a request's first byte to its last


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of a listener that speaks TLS; `mutual` asks clients for certificates."""

    server_cert: Path
    server_key: Path
    root_cert: Path | None
    mutual: bool


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """The HTTP front end."""

    enabled: bool = True
    address: str = "0.0.0.0"
    port: int = 8000  # 0: any free one
    reuse_port: bool = False
    tls: TlsFiles | None = None
    max_input_size: int = 64 * 1024 * 1024  # bytes of one request
    header_forward_pattern: str = ""  # headers that become request parameters; empty: none


@dataclass(frozen=True, slots=True)
class GrpcKeepalive:
    """When the gRPC listener asks whether a peer is still there, and what it bears itself."""

    time_ms: int = 7_200_000
    timeout_ms: int = 20_000
    permit_without_calls: bool = False
    max_pings_without_data: int = 2
    min_recv_ping_interval_ms: int = 300_000
    max_ping_strikes: int = 2
    max_connection_age_ms: int = 0  # 0: unlimited
    max_connection_age_grace_ms: int = 0  # 0: unlimited


@dataclass(frozen=True, slots=True)
class GrpcOptions:
    """The gRPC front end."""

    enabled: bool = True
    address: str = "0.0.0.0"
    port: int = 8001  # 0: any free one
    reuse_port: bool = False
    tls: TlsFiles | None = None
    max_receive_message_size: int = 2**31 - 1  # bytes
    compression_level: str = "none"  # of responses: none, low, medium or high
    keepalive: GrpcKeepalive = field(default_factory=GrpcKeepalive)
    header_forward_pattern: str = ""  # as of HTTP, but that letters are minded


@dataclass(frozen=True, slots=True)
class MetricsOptions:
    """The metrics endpoint."""

    enabled: bool = True
    address: str = "0.0.0.0"
    port: int = 8002  # 0: any free one
    counter_latencies: bool = True


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What is logged, and where."""

    info: bool = True
    warning: bool = True
    error: bool = True
    verbose_level: int = 0
    format: str = "default"  # or "ISO8601"
    file: str = ""  # empty: stdout and stderr
    escape: bool = True  # JSON-escape each text


@dataclass(frozen=True, slots=True)
class ResourceCount:
    """How much there is of a resource that instances share."""

    name: str
    count: int
    device: int | None = None  # None: on every device


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """Where the instances of a policy run: on these cores, else on those of a NUMA node."""

    name: str
    cpu_cores: tuple[int, ...] = ()
    numa_node: int | None = None


@dataclass(frozen=True, slots=True)
class RedisCacheOptions:
    """A redis server that keeps answers."""

    host: str
    port: int
    user: str = ""  # empty: the server's default user
    password: str = field(default="", repr=False)
    database: int = 0
    connect_timeout_ms: int = 1000
    socket_timeout_ms: int = 50  # also what a lookup may wait


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """What models may take of the machine."""

    response_cache_bytes: int = 0  # 0: answers are not kept, or not here
    redis_cache: RedisCacheOptions | None = None  # given: they are kept there
    rate_limit: bool = False  # instances wait for the resources that their config names
    resource_counts: tuple[ResourceCount, ...] = ()
    host_policies: tuple[HostPolicy, ...] = ()


@dataclass(frozen=True, slots=True)
class PythonOptions:
    """The workers of Python models."""

    stub_timeout_s: int = 30  # what a worker may take to end
    load_timeout_s: int = 0  # what a model may take to start in it; 0: any time


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Everything that one server is asked to be."""

    repository: RepositoryOptions
    server_id: str = "triton"
    frontend: str = "native"  # or "python"
    connections: ConnectionOptions = field(default_factory=ConnectionOptions)
    http: HttpOptions = field(default_factory=HttpOptions)
    grpc: GrpcOptions = field(default_factory=GrpcOptions)
    metrics: MetricsOptions = field(default_factory=MetricsOptions)
    log: LogOptions = field(default_factory=LogOptions)
    limits: LimitOptions = field(default_factory=LimitOptions)
    python: PythonOptions = field(default_factory=PythonOptions)
    exit_timeout_s: int = 30
    exit_on_error: bool = True
    strict_readiness: bool = True
