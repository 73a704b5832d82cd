"""Rules for C++: who may use whom, what a header must say, and how long things may get."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from tests.tidy.cpp_text import code_of, functions_of
from tests.tidy.sources import ROOT, Rule, Source
from tests.tidy.text_rules import matches

# Which folders of csrc/ a folder uses directly; it may also use what those use.
USES: dict[str, tuple[str, ...]] = {
    "base": (),
    "queue": ("base",),
    "memory": ("queue",),
    "tensor": ("memory",),
    "infer": ("tensor",),
    "scheduler": ("infer",),
    "backend": ("infer", "queue"),
    "wire": ("infer",),
    "model": ("scheduler", "backend"),
    "server": ("model",),
    "frontend": ("server", "wire"),
    "bindings": ("frontend",),
}
# Where the arrows would allow it and the design does not: folder, what its includes may not match.
ABSENT = (
    (
        "backend",
        re.compile(r"^queue/(?!wakeup|inbox)"),
        "a backend does not know what a queue is, only how a thread of its own is reached",
    ),
    ("wire", re.compile(r"^(sys/socket|netinet/|sys/epoll)"), "wire opens no socket"),
    (None, re.compile(r"^(Python\.h|pybind11/)"), "only bindings/ sees Python"),
    (None, re.compile(r"^rapidjson/"), "only wire/ sees a JSON library"),
    (None, re.compile(r"^(nghttp2/|zlib\.h)"), "only wire/ sees nghttp2 and zlib"),
    (None, re.compile(r"^openssl/(?!evp\.h)"), "only frontend/ sees OpenSSL"),
    (None, re.compile(r"^openssl/evp\.h"), "only base/ sees libcrypto's hashes"),
    (None, re.compile(r"^hiredis/"), "only model/ sees hiredis"),
)
ABSENCE_EXEMPT = {
    "only bindings/ sees Python": "bindings",
    "only wire/ sees a JSON library": "wire",
    "only wire/ sees nghttp2 and zlib": "wire",
    "only frontend/ sees OpenSSL": "frontend",
    "only base/ sees libcrypto's hashes": "base",
    "only model/ sees hiredis": "model",
}
HEADER_LINES, SOURCE_LINES, FUNCTION_LINES = 300, 600, 70
THREAD_WORDS = r"(immutable|thread-safe|compatible|confined)"
_INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)
_CLASS = re.compile(r"^\s*class\s+(\[\[\w+\]\]\s+)?\w+[^;]*\{", re.MULTILINE)
_ALLOCATION = re.compile(r"(?<!operator )\bnew\b|(?<!operator )\bdelete\b(?!\s*[;,)])")
_SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep)\b|\bsleep\(")
_SKIPPED = re.compile(r"\bGTEST_SK" r"IP\b|\bDISAB" r"LED_\w")


def is_cpp(source: Source) -> bool:
    """Whether the file is C++ of ours."""
    return source.suffix in (".h", ".cc")


def core_folder(source: Source) -> str | None:
    """Return the folder below csrc/ that a C++ file lies in, None for other files."""
    parts = PurePosixPath(source.path).parts
    return parts[1] if is_cpp(source) and parts[0] == "csrc" and len(parts) > 2 else None


def reachable(folder: str) -> set[str]:
    """Return every folder that `folder` may use, itself included."""
    return {folder}.union(*(reachable(used) for used in USES[folder]))


def includes(source: Source) -> list[str]:
    """Return what the file includes, in order."""
    return [match[1] for match in _INCLUDE.finditer(source.text)]


def include_direction(source: Source) -> list[str]:
    """Includes follow the arrows of the design."""
    folder = core_folder(source)
    if folder is None:
        return []
    if folder not in USES:
        return [f"{source.path}: csrc/{folder} has no place in the table of who uses whom"]
    foreign = USES.keys() - reachable(folder)
    return [
        f"{source.path}: {folder}/ may not include {name}"
        for name in includes(source)
        if "/" in name and name.partition("/")[0] in foreign
    ]


def designed_absences(source: Source) -> list[str]:
    """What a folder must not know, beyond the arrows."""
    folder = core_folder(source)
    if folder is None:
        return []
    return [
        f"{source.path}: includes {name}, but {reason}"
        for where, pattern, reason in ABSENT
        for name in includes(source)
        if where in (None, folder) and ABSENCE_EXEMPT.get(reason) != folder and pattern.search(name)
    ]


def header_essay(source: Source) -> list[str]:
    """A header opens with what it is, guards itself, and says how its classes meet threads."""
    if source.suffix != ".h":
        return []
    found = []
    essay = source.text.partition("#pragma once")[0]
    if not essay.startswith("// ") or "#" in re.sub(r"//.*", "", essay):
        found.append(f"{source.path}: must open with a comment that says what it is")
    if "#pragma once" not in source.lines:
        found.append(f"{source.path}: has no #pragma once")
    threads = rf"^\s*// .*?Threads:[\s/]*(?:\w+[\s/]+){{0,12}}?{THREAD_WORDS}"
    if _CLASS.search(code_of(source.text)) and not re.search(threads, source.text, re.MULTILINE):
        found.append(f"{source.path}: has a class, but no 'Threads:' with one of the four words")
    return found


def explained_tests(source: Source) -> list[str]:
    """A C++ test opens with its goal and method."""
    is_test = source.is_under("tests") and source.path.endswith("_test.cc")
    if not is_test or source.text.startswith("// "):
        return []
    return [f"{source.path}: must open with a comment that gives goal and method"]


def modest_sizes(source: Source) -> list[str]:
    """Files and functions stay readable."""
    if not is_cpp(source):
        return []
    limit = HEADER_LINES if source.suffix == ".h" else SOURCE_LINES
    found = []
    if len(source.lines) > limit:
        found.append(f"{source.path}: {len(source.lines)} lines, at most {limit}")
    found += [
        f"{source.path}:{function.line}: a function of {function.length} lines, "
        f"at most {FUNCTION_LINES}"
        for function in functions_of(source.text)
        if function.length > FUNCTION_LINES
    ]
    return found


def owned_allocations(source: Source) -> list[str]:
    """Only memory/ allocates by hand."""
    if core_folder(source) in (None, "memory"):
        return []
    code = re.sub(r"=\s*delete\b", "", code_of(source.text))
    return matches(Source(source.path, code), _ALLOCATION, "new or delete outside memory/")


def one_namespace(source: Source) -> list[str]:
    """Everything of the core lives in `tritonpy`."""
    if core_folder(source) in (None, "bindings"):
        return []
    names = re.findall(r"^\s*namespace\s+(\w[\w:]*)", code_of(source.text), re.MULTILINE)
    foreign = [name for name in names if name.partition("::")[0] != "tritonpy"]
    return [f"{source.path}: namespace {name}" for name in foreign if name not in ("std",)]


def unhurried_tests(source: Source) -> list[str]:
    """C++ tests wait for what they test, never for time to pass, and none is switched off."""
    if not (is_cpp(source) and source.is_under("tests")):
        return []
    code = Source(source.path, code_of(source.text))
    return matches(code, _SLEEP, "sleep in a test") + matches(code, _SKIPPED, "test switched off")


def linked_direction(source: Source) -> list[str]:
    """The libraries of the build link along the same arrows as the includes."""
    if source.path != "CMakeLists.txt":
        return []
    found = []
    for line in re.findall(r"^tritonpy_library\(([^)]*)\)", source.text, re.MULTILINE):
        folder, *used = line.split()
        if folder not in USES:
            found.append(f"{source.path}: library {folder} has no place in the table")
        else:
            wrong = sorted(set(used) - reachable(folder))
            found += [f"{source.path}: {folder} may not link {name}" for name in wrong]
    return found


def headers_stand_alone(source: Source) -> list[str]:
    """A source includes its own header first, so that compiling it shows that the header is whole.

    Includes of our own headers name the folder, so that they are found from anywhere.
    """
    if core_folder(source) is None:
        return []
    quoted = re.findall(r'^\s*#\s*include\s*"([^"]+)"', source.text, re.MULTILINE)
    found = [
        f"{source.path}: {name!r} is no header of csrc/"
        for name in quoted
        if not (ROOT / "csrc" / name).is_file()
    ]
    own = source.path.removeprefix("csrc/").removesuffix(".cc") + ".h"
    is_source_of_header = source.suffix == ".cc" and (ROOT / "csrc" / own).is_file()
    if is_source_of_header and includes(source)[:1] != [own]:
        found.append(f"{source.path}: must include {own} before all else")
    return found


RULES = (
    Rule("include_direction", include_direction),
    Rule("designed_absences", designed_absences),
    Rule("header_essay", header_essay),
    Rule("explained_tests", explained_tests),
    Rule("modest_cpp_sizes", modest_sizes),
    Rule("owned_allocations", owned_allocations),
    Rule("one_namespace", one_namespace),
    Rule("unhurried_cpp_tests", unhurried_tests),
    Rule("linked_direction", linked_direction),
    Rule("headers_stand_alone", headers_stand_alone),
)
