"""Goal: the start-up table reads like Triton's. Method: the text of some entries."""

from __future__ import annotations

from tritonpy.repository import IndexEntry, ModelState, status_table


def test_table_has_a_line_for_each_version_that_was_to_load() -> None:
    entries = [
        IndexEntry("digits", 1, ModelState.READY),
        IndexEntry("never_asked_for"),
        IndexEntry("net", 2, ModelState.UNAVAILABLE, "Internal: first\nsecond"),
        IndexEntry("twice", None, ModelState.UNAVAILABLE, "model appears twice"),
    ]
    assert status_table(entries).splitlines() == [
        "+--------+---------+-------------------------------------+",
        "| Model  | Version | Status                              |",
        "+--------+---------+-------------------------------------+",
        "| digits | 1       | READY                               |",
        "| net    | 2       | UNAVAILABLE: Internal: first second |",
        "| twice  | -       | UNAVAILABLE: model appears twice    |",
        "+--------+---------+-------------------------------------+",
    ]


def test_table_without_models_is_its_head() -> None:
    assert len(status_table([]).splitlines()) == 4
