"""Goal: options become the values and complaints of Triton. Method: whole command lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tritonpy.options import (
    ConnectionOptions,
    ControlMode,
    GrpcOptions,
    HttpOptions,
    OptionError,
    RepositoryOptions,
    ServerOptions,
    TlsFiles,
    UsageError,
    parse_options,
)

_REPO = "--repo=/models"


def _options(*arguments: str, **environment: str) -> ServerOptions:
    return parse_options([_REPO, *arguments], environment).options


def _warnings(*arguments: str) -> tuple[str, ...]:
    return parse_options([_REPO, *arguments], {}).warnings


def _complaint(*arguments: str) -> str:
    with pytest.raises(OptionError) as complaint:
        parse_options([_REPO, *arguments], {})
    return str(complaint.value)


def test_defaults_are_those_of_triton() -> None:
    options = _options()
    assert options == ServerOptions(repository=RepositoryOptions(paths=(Path("/models"),)))
    assert (options.http.port, options.grpc.port, options.metrics.port) == (8000, 8001, 8002)
    assert options.http.max_input_size == 67108864
    assert options.server_id == "triton"
    assert options.exit_timeout_s == 30


def test_repositories_may_be_many_and_have_three_names() -> None:
    options = parse_options(
        ["--model-repository=/a", "--model-store", "/b", "--repo=/c", "--model-repository=/d"], {}
    ).options
    assert set(options.repository.paths) == {Path("/a"), Path("/b"), Path("/c"), Path("/d")}


def test_the_last_of_several_values_counts() -> None:
    assert _options("--http-port=1", "--http-port", "2").http.port == 2


def test_an_option_may_be_cut_short_while_it_is_the_only_one() -> None:
    assert _options("--http-max=5").http == HttpOptions(max_input_size=5)
    assert "option '--http' is ambiguous" in _complaint("--http=5")


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("ON", True), ("1", True), ("False", False), ("off", False), ("0", False)],
)
def test_booleans_have_three_spellings_each(text: str, value: bool) -> None:
    assert _options(f"--allow-grpc={text}").grpc.enabled is value


@pytest.mark.parametrize(
    ("text", "level"), [("0", 0), ("3", 3), ("true", 1), ("off", 0), ("False", 0)]
)
def test_verbosity_is_a_level_or_a_boolean(text: str, level: int) -> None:
    assert _options(f"--log-verbose={text}").log.verbose_level == level


def test_metrics_listen_where_http_does_unless_told_otherwise() -> None:
    assert _options("--http-address=127.0.0.1").metrics.address == "127.0.0.1"
    assert _options("--metrics-address=::1").metrics.address == "::1"


def test_explicit_control_has_startup_models() -> None:
    options = _options("--model-control-mode=explicit", "--load-model=a", "--load-model", "b")
    assert options.repository.control_mode is ControlMode.EXPLICIT
    assert options.repository.startup_models == ("a", "b")


def test_poll_mode_has_its_interval() -> None:
    parsed = parse_options(["--repo=/m", "--model-control-mode=poll"], {})
    assert parsed.options.repository.control_mode is ControlMode.POLL
    assert parsed.options.repository.poll_interval_s == 15
    assert parsed.warnings == ()
    assert _options("--repository-poll-secs=0").repository.poll_interval_s == 0


def test_default_max_batch_sizes_are_kept_by_backend() -> None:
    options = _options(
        "--backend-config=default-max-batch-size=16",
        "--backend-config=onnxruntime,default-max-batch-size=8",
    )
    assert options.repository.default_max_batch_sizes == (("", 16), ("onnxruntime", 8))


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_mutual_tls_is_tls(protocol: str) -> None:
    options = _options(
        f"--{protocol}-use-ssl-mutual=1",
        f"--{protocol}-server-cert=c",
        f"--{protocol}-server-key=k",
        f"--{protocol}-root-cert=r",
    )
    files = TlsFiles(Path("c"), Path("k"), Path("r"), mutual=True)
    listeners: dict[str, HttpOptions | GrpcOptions]
    listeners = {"http": options.http, "grpc": options.grpc}
    assert listeners.pop(protocol).tls == files
    assert [other.tls for other in listeners.values()] == [None]


def test_files_without_tls_are_not_used() -> None:
    assert _options("--http-server-cert=c", "--http-server-key=k").http.tls is None


def test_connections_are_those_of_both_protocols() -> None:
    options = _options(
        "--io-threads=2",
        "--max-connections=3",
        "--idle-timeout-secs=4",
        "--request-timeout-secs=5",
        "--grpc-max-receive-message-size=6",
    )
    assert options.connections == ConnectionOptions(
        io_threads=2, max_connections=3, idle_timeout_s=4, request_timeout_s=5
    )
    assert options.grpc.max_receive_message_size == 6


def test_native_is_the_front_end_unless_another_is_asked_for() -> None:
    assert _options().frontend == "native"
    assert _options("--frontend=python").frontend == "python"


def test_the_environment_sets_test_hooks_and_log_escapes() -> None:
    assert _options().log.escape
    options = _options(TRITON_SERVER_ESCAPE_LOG_MESSAGES="0", TRITONSERVER_DELAY_SCHEDULER="5")
    assert not options.log.escape
    assert options.repository.delay_until_queued == 5


@pytest.mark.parametrize("name", ["net.onnx", "net.py"])
def test_a_model_file_needs_no_repository(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text("")
    options = parse_options([str(file), "--http-port=0"], {}).options
    assert options.repository.model_file == file
    assert options.repository.paths == ()


def test_a_model_file_that_is_not_there_is_named() -> None:
    with pytest.raises(OptionError, match=r"^Error: model file 'absent.onnx' does not exist$"):
        parse_options(["absent.onnx"], {})


@pytest.mark.parametrize(
    "arguments", [["x.txt"], ["a.onnx", "b.onnx"], [_REPO, "x.onnx"], ["--", "--http-port"], ["-"]]
)
def test_other_arguments_are_unexpected(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match=r"^Unexpected argument: "):
        parse_options(arguments, {})


def test_without_models_there_is_nothing_to_serve() -> None:
    with pytest.raises(OptionError, match=r"^Error: --model-repository must be specified$"):
        parse_options(["--http-port=1"], {})


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("--no-such-option", "unrecognized option '--no-such-option'"),
        ("-x", "unrecognized option '-x'"),
        ("--disable-auto-complete-config=1", "'--disable-auto-complete-config' doesn't allow"),
    ],
)
def test_options_that_do_not_exist_are_usage_errors(argument: str, text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_options([_REPO, argument], {})
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("--allow-http=maybe", "--allow-http: invalid value for bool option: maybe"),
        ("--http-port=abc", "--http-port: Invalid option value. Got abc"),
        ("--http-port=1.5", "--http-port: Invalid option value. Got 1.5"),
        ("--http-port=", "--http-port: Invalid option value. Got "),
        (
            "--exit-timeout-secs=99999999999",
            "--exit-timeout-secs: Provided option value is out of bound. Got 99999999999",
        ),
        (
            f"--http-port={'9' * 5000}",
            f"--http-port: Provided option value is out of bound. Got {'9' * 5000}",
        ),
        ("--http-port=65536", "--http-port: Provided option value is out of bound. Got 65536"),
        (
            "--grpc-infer-thread-count=1",
            "--grpc-infer-thread-count must be in the range [2, 128]",
        ),
        ("--http-max-input-size=0", "Error: --http-max-input-size must be greater than 0."),
        (
            "--grpc-max-response-pool-size=0",
            "Error: --grpc-max-response-pool-size must be greater than 0.",
        ),
        ("--model-config-name=", "Error: empty argument for --model-config-name"),
        (
            "--load-model=m",
            "Error: Use of '--load-model' requires setting '--model-control-mode=explicit' as "
            "well.",
        ),
        (
            "--repo=ftp://host/models",
            "Error: model repository 'ftp://host/models' is not supported: ftp:// is none of "
            "s3://, gs:// and as://",
        ),
        ("--grpc-use-ssl=1", "Error: TLS for gRPC requires --grpc-server-cert"),
        ("--http-use-ssl=1", "Error: TLS for HTTP requires --http-server-cert"),
        ("--io-threads=65", "--io-threads: Provided option value is out of bound. Got 65"),
        (
            "--idle-timeout-secs=0",
            "--idle-timeout-secs: Provided option value is out of bound. Got 0",
        ),
        (
            "--grpc-max-receive-message-size=0",
            "--grpc-max-receive-message-size: Provided option value is out of bound. Got 0",
        ),
        (
            "--metrics-config=counter_latencies",
            "--metrics-config option format is <setting>=<value>. Got counter_latencies",
        ),
        (
            "--cache-config=size=1",
            "--cache-config option format is '<cache name>,<setting>=<value>'. Got size=1",
        ),
        (
            "--rate-limit-resource=R1",
            "--rate-limit-resource option format is '<resource_name>:<count>:<device>' or "
            "'<resource_name>:<count>'. Got R1",
        ),
        (
            "--backend-config=onnxruntime",
            "--backend-config option format is '<backend name>,<setting>=<value>'. Got onnxruntime",
        ),
        (
            "--trace-config=level",
            "--trace-config option format is '<trace mode>,<setting>=<value>'. Got level",
        ),
        (
            "--model-load-gpu-limit=-1:0.5",
            "--model-load-gpu-limit expects device ID >= 0, got -1",
        ),
        (
            "--model-load-gpu-limit=0:1.5",
            "--model-load-gpu-limit expects limit fraction to be in range [0.0, 1.0], got 1.5",
        ),
    ],
)
def test_complaint_about(argument: str, text: str) -> None:
    assert _complaint(argument) == text


def test_tls_needs_a_key_and_for_mutual_tls_a_root() -> None:
    given = ["--http-use-ssl-mutual=1", "--http-server-cert=c"]
    assert _complaint(*given) == "Error: TLS for HTTP requires --http-server-key"
    given.append("--http-server-key=k")
    assert _complaint(*given) == "Error: TLS for HTTP requires --http-root-cert"


@pytest.mark.parametrize(
    "word", ["frontend=x", "log-format=x", "model-control-mode=x", "rate-limit=x"]
)
def test_words_that_are_not_known_are_invalid_arguments(word: str) -> None:
    name, _, value = word.partition("=")
    assert _complaint(f"--{word}").startswith(f"invalid argument for --{name}: '{value}'")


def test_an_asterisk_stands_for_all_models_only_alone() -> None:
    explicit = "--model-control-mode=explicit"
    assert _options(explicit, "--load-model=*").repository.startup_models == ("*",)
    assert _complaint(explicit, "--load-model=*", "--load-model=m") == (
        "Error: Wildcard model name '*' must be the ONLY startup model if specified at all."
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("--http-port=8001",),
            "The server cannot listen to HTTP requests and GRPC requests at the same address and "
            "port 0.0.0.0:8001",
        ),
        (
            ("--metrics-port=8000",),
            "The server cannot listen to HTTP requests and metrics requests at the same address "
            "and port 0.0.0.0:8000",
        ),
    ],
)
def test_two_services_cannot_share_a_port(arguments: tuple[str, ...], text: str) -> None:
    assert _complaint(*arguments) == text


@pytest.mark.parametrize(
    "arguments",
    [
        ("--http-port=8001", "--allow-grpc=false"),
        ("--metrics-port=8000", "--metrics-address=127.0.0.1"),
        ("--http-port=0", "--grpc-port=0", "--metrics-port=0"),
    ],
)
def test_services_that_do_not_meet_may_have_one_port(arguments: tuple[str, ...]) -> None:
    assert _warnings(*arguments) == ()


@pytest.mark.parametrize(
    "argument",
    [
        "--pinned-memory-pool-byte-size=1",
        "--http-restricted-api=health:k=v",
        "--allow-client-shm=true",
    ],
)
def test_an_option_without_effect_says_so_once(argument: str) -> None:
    name = argument.partition("=")[0]
    assert _warnings(argument, argument) == (f"'{name}' is accepted but has no effect yet",)


@pytest.mark.parametrize(
    "argument",
    ["--rate-limit=off", "--allow-client-shm=false", "--model-namespacing=true", "--http-port=1"],
)
def test_an_option_that_is_honoured_is_silent(argument: str) -> None:
    assert _warnings(argument) == ()


@pytest.mark.parametrize("name", ["io-threads", "max-connections", "request-timeout-secs"])
def test_an_option_that_the_front_end_cannot_do_says_so(name: str) -> None:
    assert _warnings(f"--{name}=1") == ()
    assert _warnings(f"--{name}=1", "--frontend=python") == (
        f"'--{name}' has no effect with --frontend python",
    )


@pytest.mark.parametrize("frontend", ["native", "python"])
def test_what_both_front_ends_do_is_silent(frontend: str) -> None:
    assert _warnings(f"--frontend={frontend}", "--idle-timeout-secs=9") == ()
    assert _warnings(f"--frontend={frontend}", "--grpc-max-receive-message-size=9") == ()


def test_settings_without_effect_say_so() -> None:
    assert _warnings(
        "--backend-config=onnxruntime,enable-global-threadpool=1",
        "--backend-config=default-max-batch-size=2",
        "--metrics-config=summary_latencies=true",
        "--metrics-config=histogram_latencies=true",
    ) == (
        "'--backend-config' enable-global-threadpool is accepted but has no effect yet",
        "'--metrics-config' summary_latencies is accepted but has no effect yet",
    )


def test_deprecated_options_work_and_name_the_new_one() -> None:
    parsed = parse_options([_REPO, "--strict-model-config=true"], {})
    assert not parsed.options.repository.auto_complete
    assert parsed.warnings == (
        "'--strict-model-config' has been deprecated, use '--disable-auto-complete-config' "
        "instead.",
    )


def test_the_new_style_wins_over_the_deprecated_one() -> None:
    parsed = parse_options(
        [_REPO, "--strict-model-config=false", "--disable-auto-complete-config"], {}
    )
    assert not parsed.options.repository.auto_complete
    assert parsed.warnings[1] == (
        "Overriding deprecated '--strict-model-config' with '--disable-auto-complete-config'."
    )
