"""Goal: the project keeps its house rules. Method: every rule reads every text file."""

from __future__ import annotations

import pytest

from tests.tidy import cpp_rules, python_rules, text_rules
from tests.tidy.sources import ROOT, Rule, Source, project_sources

SOURCES = tuple(project_sources())
RULES = (*text_rules.RULES, *cpp_rules.RULES, *python_rules.RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_project_keeps_the_rule(rule: Rule) -> None:
    broken = [text for source in SOURCES for text in rule.check(source)]
    assert not broken, f"{rule.check.__doc__}\n" + "\n".join(broken)


def test_sources_of_every_kind_are_read() -> None:
    suffixes = {source.suffix for source in SOURCES}
    assert {".h", ".cc", ".py", ".pbtxt", ".proto", ".toml"} <= suffixes
    assert {"dev", ".ci/run", "CMakeLists.txt"} <= {source.path for source in SOURCES}


def test_package_is_marked_as_typed() -> None:
    assert (ROOT / "python" / "tritonpy" / "py.typed").is_file()


def test_every_sample_model_in_git_has_a_config() -> None:
    configs = [source for source in SOURCES if is_config(source)]
    assert len(configs) >= 7


def is_config(source: Source) -> bool:
    return source.is_under("model_repository") and source.path.endswith("/config.pbtxt")
