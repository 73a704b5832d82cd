"""Goal: no house rule is a rule that nothing can break.

Method: each rule gets a sample that breaks it and one that comes close and does not; a rule without
samples fails, so a new rule brings its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.tidy import cpp_rules, python_rules, text_rules
from tests.tidy.cpp_text import functions_of
from tests.tidy.sources import Rule, Source

RULES = (*text_rules.RULES, *cpp_rules.RULES, *python_rules.RULES)
ESSAY = "// What it is.\n//\n// Threads: immutable.\n#pragma once\n"


@dataclass(frozen=True, slots=True)
class Sample:
    """A path with a text that breaks a rule, and one that does not (at the same path, if none)."""

    path: str
    bad: str
    good: str
    good_path: str = ""


SAMPLES: dict[str, list[Sample]] = {
    "short_lines": [Sample("csrc/base/a.h", "x" * 101, "x" * 100)],
    "telling_names": [
        Sample("csrc/base/string_utils.h", "", "", "csrc/base/string_split.h"),
        Sample("python/tritonpy/common/a.py", "", "", "python/tritonpy/commonality/a.py"),
        Sample(
            "python/tritonpy/worker/utils.py",
            "",
            "",
            "python/tritonpy/worker/triton_python_backend_utils.py",
        ),
    ],
    "nothing_postponed": [
        Sample("dev", "# TO" + "DO: later\n", "# What there is to do: nothing\n"),
        Sample("csrc/base/a.cc", "// FIX" + "ME\n", "// fixme_count\n"),
    ],
    "no_machine_paths": [
        Sample("a.md", "see /wor" + "k/main", "see python/work/main and build/work/x"),
        Sample("a.py", 'open("/roo' + 't/x")', 'open("/rooted/x")'),
    ],
    "no_registry_hosts": [Sample("dev", "curl https://py" + "pi.org/simple", "pip install x")],
    "no_foreign_licence": [
        Sample("csrc/base/a.h", "// Copy" + "right 2024 NVIDIA", "// NVIDIA's Triton does so")
    ],
    "ends_cleanly": [
        Sample("a.py", "x = 1 \n", "x = 1\n"),
        Sample("a.py", "x = 1", ""),
        Sample("a.py", "x = 1\n\n", "x = 1\n\ny = 2\n"),
    ],
    "include_direction": [
        Sample(
            "csrc/tensor/a.h",
            '#include "scheduler/scheduler.h"\n',
            '#include "base/status.h"\n#include "tensor/shape.h"\n#include <vector>\n',
        ),
        Sample("csrc/base/a.h", "#include <memory/pool.h>\n", "#include <memory>\n"),
        Sample("csrc/wire/a.cc", '  #  include "model/model.h"\n', '#include "infer/request.h"\n'),
        Sample("csrc/unheard_of/a.h", "", "", "csrc/base/a.h"),
    ],
    "designed_absences": [
        Sample("csrc/backend/a.cc", '#include "queue/parking.h"\n', '#include "base/gate.h"\n'),
        Sample("csrc/wire/a.cc", "#include <sys/socket.h>\n", "#include <rapidjson/reader.h>\n"),
        Sample(
            "csrc/model/a.h",
            "#include <Python.h>\n",
            "#include <pybind11/pybind11.h>\n",
            "csrc/bindings/a.h",
        ),
        Sample("csrc/model/a.h", "#include <rapidjson/document.h>\n", "#include <string>\n"),
    ],
    "header_essay": [
        Sample("csrc/base/a.h", "#pragma once\n// Late.\n", ESSAY),
        Sample("csrc/base/a.h", "// What it is.\n#include <vector>\n", "// It is.\n#pragma once\n"),
        Sample(
            "csrc/base/a.h",
            "// What it is.\n#pragma once\nclass A {};\n",
            "// What it is.\n#pragma once\nclass A;\n// a class B {\nenum class C { kD };\n",
        ),
        Sample(
            "csrc/base/a.h",
            "// Threads: any.\n#pragma once\nclass [[nodiscard]] A : public B {};\n",
            ESSAY + "class A final : public B {};\n",
        ),
    ],
    "explained_tests": [
        Sample("tests/cpp/base/a_test.cc", "#include <x>\n", "// Goal: x. Method: y.\n")
    ],
    "modest_cpp_sizes": [
        Sample("csrc/base/a.h", "\n" * 301, "\n" * 300),
        Sample("csrc/base/a.cc", "\n" * 601, "\n" * 600),
        Sample(
            "csrc/base/a.cc",
            "void f() {\n" + "g();\n" * 69 + "}\n",
            "namespace a {\nvoid f() {\n" + "g();\n" * 68 + "}\n\n}\n",
        ),
    ],
    "owned_allocations": [
        Sample(
            "csrc/infer/a.cc", "auto* a = new int;\n", "auto* a = new int;\n", "csrc/memory/a.cc"
        ),
        Sample("csrc/infer/a.cc", "delete a;\n", "A(const A&) = delete;  // delete it\n"),
    ],
    "one_namespace": [
        Sample(
            "csrc/base/a.h", "namespace other {\n", "namespace tritonpy::limits {\nnamespace {\n"
        )
    ],
    "unhurried_cpp_tests": [
        Sample("tests/sim/a.cc", "std::this_thread::sleep_for(1ms);\n", "// no sleep_for here\n"),
        Sample("tests/cpp/base/a.cc", "GTEST_SK" + "IP();\n", "TEST(A, b) {}\n"),
    ],
    "linked_direction": [
        Sample(
            "CMakeLists.txt", "tritonpy_library(tensor model)\n", "tritonpy_library(queue base)\n"
        ),
        Sample(
            "CMakeLists.txt", "tritonpy_library(extra base)\n", "# tritonpy_library(extra base)\n"
        ),
    ],
    "headers_stand_alone": [
        Sample("csrc/base/a.cc", '#include "status.h"\n', '#include "base/status.h"\n'),
        Sample(
            "csrc/base/status.cc",
            '#include <string>\n#include "base/status.h"\n',
            '#include "base/status.h"\n#include <string>\n',
        ),
    ],
    "import_direction": [
        Sample(
            "python/tritonpy/config/a.py",
            "from tritonpy.server import Server\n",
            "from tritonpy.errors import TritonError\nfrom tritonpy.config.b import c\n",
        ),
        Sample(
            "python/tritonpy/metrics/a.py",
            "def f():\n    import tritonpy.frontends.http\n",
            "from tritonpy import api\n",
        ),
        Sample("python/tritonpy/unheard_of.py", "", "", "python/tritonpy/errors.py"),
    ],
    "one_door_to_the_core": [
        Sample(
            "python/tritonpy/server.py",
            "from tritonpy import _core\n",
            "from tritonpy._core import Server\n",
            "python/tritonpy/core.py",
        )
    ],
    "transport_free": [
        Sample(
            "python/tritonpy/api/a.py",
            "import grpc.aio\n",
            "import grpc.aio\n",
            "python/tritonpy/frontends/grpc/a.py",
        ),
        Sample(
            "python/tritonpy/config/a.py", "from starlette.routing import Route\n", "import re\n"
        ),
    ],
    "no_sleeps": [
        Sample("tests/a.py", "import time\ntime.sleep(1)\n", "import asyncio\nasyncio.sleep(0)\n"),
        Sample("python/tritonpy/a.py", "from time import sleep\n", "from time import monotonic\n"),
        Sample("tests/a.py", "async def f():\n    await asyncio.sleep(0.1)\n", "sleep = 1\n"),
    ],
    "no_skipped_tests": [
        Sample("tests/a.py", "@pytest.mark.skip\ndef f(): ...\n", "a.skip()\n"),
        Sample("tests/a.py", "pytest.importorskip('x')\n", "import x\n"),
    ],
    "modest_python_sizes": [
        Sample("tools/a.py", "\n" * 401, "\n" * 400),
        Sample(
            "tools/a.py",
            "class A:\n    def f(self):\n" + "        g()\n" * 50,
            "class A:\n    def f(self):\n" + "        g()\n" * 49,
        ),
    ],
    "opens_with_meaning": [Sample("bench/a.py", "import re\n", '"""A."""\n')],
}
CASES = [
    pytest.param(rule, sample, id=f"{rule.name}-{number}")
    for rule in RULES
    for number, sample in enumerate(SAMPLES.get(rule.name, []))
]


@pytest.mark.parametrize(("rule", "sample"), CASES)
def test_rule_catches_what_breaks_it_and_nothing_else(rule: Rule, sample: Sample) -> None:
    assert rule.check(Source(sample.path, sample.bad))
    assert rule.check(Source(sample.good_path or sample.path, sample.good)) == []


def test_every_rule_has_samples_and_every_sample_a_rule() -> None:
    assert {rule.name for rule in RULES} == set(SAMPLES)
    assert len(RULES) == len(SAMPLES)


def test_functions_are_found_in_every_shape() -> None:
    text = """
#define MACRO(x) \\
    do { x(); } while (false)
namespace tritonpy {
struct A : B<int> {
    A(int a) noexcept : a_{a}, b_(1), c_{} {
        run();
    }
    int get() const { return a_; }
    std::array<int, 2> values_{1, 2};
    bool operator()(char c) const override {
        return c == '{' || c == '"';
    }
};
template <class T>
auto f(const std::vector<T>& t = {}) -> Result<T> {
    auto g = [&](int x) { return x; };
    const char* s = R"({ raw " string)";
    if (t.empty()) {
        return {};  // a brace { in a comment
    }
    return g(1'000);
}
constexpr int kTable[] = {f(1), f(2)};
}  // namespace tritonpy
"""
    lengths = [(function.line, function.length) for function in functions_of(text)]
    assert lengths == [(6, 3), (9, 1), (11, 3), (16, 8)]
