"""Metric families and the text format in which Prometheus reads them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of a family. The suffix follows the family's name: _bucket, _sum, _count."""

    labels: Labels
    value: int | float
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """Everything under one name; `kind` is counter, gauge or histogram."""

    name: str
    help: str
    kind: str
    samples: Sequence[Sample]


def histogram(
    labels: Labels, bounds: Sequence[float], counts: Sequence[int], total: float
) -> Iterator[Sample]:
    """Yield a histogram's samples: `counts` are of single buckets, one more than `bounds`."""
    totals = list(accumulate(counts))
    names = [*(f"{bound:.15g}" for bound in bounds), "+Inf"]
    for name, up_to_here in zip(names, totals, strict=True):
        yield Sample((*labels, ("le", name)), up_to_here, "_bucket")
    yield Sample(labels, total, "_sum")
    yield Sample(labels, totals[-1], "_count")


def render(families: Iterable[Family]) -> bytes:
    """Return the page. A family without samples is left out."""
    lines: list[str] = []
    for family in families:
        if family.samples:
            lines.append(f"# HELP {family.name} {_escape_help(family.help)}")
            lines.append(f"# TYPE {family.name} {family.kind}")
            lines.extend(_line(family.name, sample) for sample in family.samples)
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _line(name: str, sample: Sample) -> str:
    name += sample.suffix
    if not sample.labels:
        return f"{name} {_number(sample.value)}"
    labels = ",".join(f'{key}="{_escape_value(value)}"' for key, value in sample.labels)
    return f"{name}{{{labels}}} {_number(sample.value)}"


def _number(value: int | float) -> str:
    if not math.isfinite(value):
        return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")
    return str(int(value)) if value == int(value) else repr(value)


def _escape_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _escape_value(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
