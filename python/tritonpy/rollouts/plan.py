"""`rollout.json` in a model's directory: what it may say, and every way in which it can be wrong.

    {
        "labels": {"stable": 1, "canary": 2, "next": 3},
        "split": {"stable": 95, "canary": 5},
        "headers": [{"name": "x-version", "value": "beta", "label": "canary"}],
        "sticky_by": "header:x-user",
        "shadow": {"label": "next", "percent": 10, "compare": {"rtol": 1e-3, "atol": 0}},
        "rollback": {
            "to": "stable",
            "when": {"error_rate": 0.05, "p99_ms": 50},
            "over_requests": 200
        }
    }

A label is what clients may name instead of a version number. Requests that name neither are split
by weight; labels that the split leaves out get none of them. A version's number alone would be a
moving target: the newest changes with every copy into the directory.

The shadow's version is asked what others have answered, and its answers are compared and dropped.

A request with one of the headers, HTTP's or metadata of gRPC, goes to that label whatever the
weights; without a `value` any will do, and of several rules the first counts. A split is sticky by
`correlation_id`, `request_id`, `parameter:<name>` or `header:<name>`. Requests of a sequence always
stay together, so the first of these is what holds where the file says nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from tritonpy.errors import InvalidArgError

FILE_NAME: Final = "rollout.json"
OVER_REQUESTS: Final = 200  # where a rollback rule does not say
_OVER_REQUESTS_MAX: Final = 100_000  # one byte each
_WEIGHT_MAX: Final = 1_000_000
_LABELS_MAX: Final = 64
_VERSION_MAX: Final = 2**63 - 1
_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")  # as wire/model_version.h
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
_HEADERS_MAX: Final = 64
_PARAMETER_KEY: Final = "parameter:"
_HEADER_KEY: Final = "header:"
_STICKY_BY: Final = re.compile(
    f"correlation_id|request_id|{_PARAMETER_KEY}.+|{_HEADER_KEY}{_HEADER.pattern}", re.DOTALL
)
_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class RolloutTarget:
    """One label; `weight` is its part of the requests that name no version."""

    label: str
    version: int
    weight: int


@dataclass(frozen=True, slots=True)
class HeaderRule:
    """Which header sends a request to which target, by its place."""

    name: str  # in lower case
    value: str | None  # None: any
    target: int


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """When a version loses its traffic, and which target, by its place, gets it."""

    to: int
    error_rate: float | None
    p99_ns: int | None
    over_requests: int


@dataclass(frozen=True, slots=True)
class ShadowPlan:
    """Which version is asked too, of how many requests, and how far off its answers may be."""

    label: str
    version: int
    percent: int
    rtol: float
    atol: float


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """A valid rollout, as the core takes it, and the document that it was read from."""

    targets: tuple[RolloutTarget, ...]
    sticky_by_request_id: bool
    sticky_parameter: str  # empty: none
    sticky_header: str  # in lower case; empty: none
    headers: tuple[HeaderRule, ...]
    rollback: RollbackPlan | None
    shadow: ShadowPlan | None
    document: Mapping[str, Any]


def read_plan(directory: Path) -> RolloutPlan | None:
    """Read the file of a model's directory; None where there is none. Blocks.

    Raises InvalidArgError, naming file and field.
    """
    path = directory / FILE_NAME
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InvalidArgError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        document = json.loads(text)
    except (RecursionError, ValueError) as error:
        raise InvalidArgError(f"{path}: is not JSON: {error}") from error
    return plan_of(document, str(path))


def plan_of(document: object, source: str) -> RolloutPlan:
    """Return what a document means; InvalidArgError `<source>: <field>: <what is wrong>`."""
    return _Reader(source).plan(document)


class _Reader:
    """Reads one document; every error starts with where it comes from."""

    def __init__(self, source: str) -> None:
        self._source = source

    def plan(self, document: object) -> RolloutPlan:
        fields = self._fields(
            "", document, {"labels", "split"}, {"headers", "sticky_by", "rollback", "shadow"}
        )
        labels = self._labels(fields["labels"])
        weights = self._weights(fields["split"], labels)
        sticky_by = self._sticky_by(fields.get("sticky_by", "correlation_id"))
        rollback, shadow = fields.get("rollback"), fields.get("shadow")
        return RolloutPlan(
            tuple(
                RolloutTarget(label, version, weights.get(label, 0))
                for label, version in labels.items()
            ),
            sticky_by_request_id=sticky_by == "request_id",
            sticky_parameter=_behind(_PARAMETER_KEY, sticky_by),
            sticky_header=_behind(_HEADER_KEY, sticky_by).lower(),
            headers=self._headers(fields.get("headers", []), list(labels)),
            rollback=None if rollback is None else self._rollback(rollback, list(labels)),
            shadow=None if shadow is None else self._shadow(shadow, labels),
            document=fields,
        )

    def _labels(self, value: object) -> dict[str, int]:
        labels = self._object("labels", value)
        if not 1 <= len(labels) <= _LABELS_MAX:
            self._fail("labels", f"expected 1 to {_LABELS_MAX} labels, got {len(labels)}")
        for label, version in labels.items():
            if not _LABEL.fullmatch(label):
                self._fail(
                    "labels",
                    f"'{label}' is no label: a letter or '_' first, then letters, digits, '_', "
                    "'.' and '-', 64 at most",
                )
            self._integer(f"labels.{label}", version, 1, _VERSION_MAX)
        return labels

    def _weights(self, value: object, labels: Mapping[str, int]) -> dict[str, int]:
        weights = self._object("split", value)
        for label, weight in weights.items():
            self._known("split", label, labels)
            self._integer(f"split.{label}", weight, 0, _WEIGHT_MAX)
        if not any(weights.values()):
            self._fail("split", "expected a label with a weight above 0")
        return weights

    def _sticky_by(self, value: object) -> str:
        if not isinstance(value, str) or not _STICKY_BY.fullmatch(value):
            self._fail(
                "sticky_by",
                "expected 'correlation_id', 'request_id', 'parameter:<name of a request "
                f"parameter>' or 'header:<name of a header>', got {json.dumps(value)}",
            )
        return value

    def _headers(self, value: object, labels: list[str]) -> tuple[HeaderRule, ...]:
        if not isinstance(value, list) or len(value) > _HEADERS_MAX:
            self._fail("headers", f"expected a list of at most {_HEADERS_MAX} rules")
        return tuple(
            self._header(f"headers[{index}]", rule, labels) for index, rule in enumerate(value)
        )

    def _header(self, field: str, value: object, labels: list[str]) -> HeaderRule:
        fields = self._fields(field, value, {"name", "label"}, {"value"})
        name, wanted = fields["name"], fields.get("value")
        if not isinstance(name, str) or not _HEADER.fullmatch(name):
            self._fail(f"{field}.name", f"{json.dumps(name)} is no name of a header")
        if wanted is not None and not isinstance(wanted, str):
            self._fail(f"{field}.value", f"expected a string, got {json.dumps(wanted)}")
        self._known(f"{field}.label", fields["label"], labels)
        return HeaderRule(name.lower(), wanted, labels.index(fields["label"]))

    def _rollback(self, value: object, labels: list[str]) -> RollbackPlan:
        fields = self._fields("rollback", value, {"to", "when"}, {"over_requests"})
        self._known("rollback.to", fields["to"], labels)
        when = self._fields("rollback.when", fields["when"], set(), {"error_rate", "p99_ms"})
        if not when:
            self._fail("rollback.when", "expected 'error_rate', 'p99_ms' or both")
        over_requests = fields.get("over_requests", OVER_REQUESTS)
        self._integer("rollback.over_requests", over_requests, 1, _OVER_REQUESTS_MAX)
        error_rate, p99_ms = when.get("error_rate"), when.get("p99_ms")
        if error_rate is not None:
            self._number("rollback.when.error_rate", error_rate, 1.0)
        if p99_ms is not None:
            self._number("rollback.when.p99_ms", p99_ms, 1e9)
        return RollbackPlan(
            labels.index(fields["to"]),
            error_rate,
            None if p99_ms is None else round(p99_ms * _NS_PER_MS),
            over_requests,
        )

    def _shadow(self, value: object, labels: Mapping[str, int]) -> ShadowPlan:
        fields = self._fields("shadow", value, {"label", "percent"}, {"compare"})
        self._known("shadow.label", fields["label"], labels)
        self._integer("shadow.percent", fields["percent"], 0, 100)
        compare = fields.get("compare", {})
        tolerances = self._fields("shadow.compare", compare, set(), {"rtol", "atol"})
        for name, tolerance in tolerances.items():
            self._number(f"shadow.compare.{name}", tolerance, 1e9)
        return ShadowPlan(
            fields["label"],
            labels[fields["label"]],
            fields["percent"],
            float(tolerances.get("rtol", 0)),
            float(tolerances.get("atol", 0)),
        )

    def _fields(
        self, field: str, value: object, required: set[str], optional: set[str]
    ) -> dict[str, Any]:
        fields = self._object(field, value)
        known = required | optional
        prefix = f"{field}." if field else ""
        for name in fields:
            if name not in known:
                self._fail(f"{prefix}{name}", f"unknown field; known: {_listed(known)}")
        for name in sorted(required - fields.keys()):
            self._fail(f"{prefix}{name}", "is missing")
        return fields

    def _object(self, field: str, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._fail(field, "expected a JSON object")
        return value

    def _known(self, field: str, label: object, labels: Mapping[str, int] | list[str]) -> None:
        if not isinstance(label, str) or label not in labels:
            self._fail(field, f"{json.dumps(label)} is not one of the labels {_listed(labels)}")

    def _integer(self, field: str, value: object, low: int, high: int) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self._fail(field, f"expected an integer from {low} to {high}, got {json.dumps(value)}")

    def _number(self, field: str, value: object, high: float) -> None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (is_number and 0 <= cast("float", value) <= high):  # nor NaN
            self._fail(field, f"expected a number from 0 to {high:g}, got {json.dumps(value)}")

    def _fail(self, field: str, reason: str) -> NoReturn:
        raise InvalidArgError(": ".join(part for part in (self._source, field, reason) if part))


def _behind(key: str, text: str) -> str:
    return text.removeprefix(key) if text.startswith(key) else ""


def _listed(names: Mapping[str, int] | list[str] | set[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))
