"""Goal: the page is what Prometheus reads, whatever names and values hold.

Method: families compared with the text they must become.
"""

from __future__ import annotations

import pytest

from tritonpy.metrics.exposition import Family, Sample, render


def _family(*samples: Sample) -> Family:
    return Family("a_total", "What\nit \\ means", "counter", samples)


def test_family_has_help_type_and_samples() -> None:
    page = render([_family(Sample((), 1), Sample((("x", "y"), ("z", "")), 2.5))])
    assert page == (
        b"# HELP a_total What\\nit \\\\ means\n# TYPE a_total counter\n"
        b'a_total 1\na_total{x="y",z=""} 2.5\n'
    )


def test_label_values_are_escaped() -> None:
    page = render([_family(Sample((("x", 'a"b\\c\nd é'),), 1))]).decode()
    assert 'a_total{x="a\\"b\\\\c\\nd é"} 1\n' in page


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (0, "0"), (2**53, "9007199254740992"), (0.25, "0.25")]
)
def test_integral_values_are_written_as_integers(value: float, text: str) -> None:
    assert render([_family(Sample((), value))]).decode().endswith(f"a_total {text}\n")


def test_values_without_end_are_written_as_prometheus_reads_them() -> None:
    values = (float("inf"), float("-inf"), float("nan"))
    page = render([_family(*(Sample((), value) for value in values))]).decode()
    assert page.splitlines()[2:] == ["a_total +Inf", "a_total -Inf", "a_total NaN"]


def test_family_without_samples_is_absent() -> None:
    assert render([_family()]) == b""
