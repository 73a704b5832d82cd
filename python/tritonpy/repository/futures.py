"""Futures that end as, or after, others do; nobody waits and no thread is held."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future


def pass_on(source: Future[None], outcome: Future[None]) -> None:
    """Let `outcome` end as `source` does."""

    def copy(ended: Future[None]) -> None:
        pass_on_failure(outcome, ended)
        if not outcome.done():
            outcome.set_result(None)

    source.add_done_callback(copy)


def pass_on_failure(outcome: Future[None], ended: Future[None]) -> None:
    """Let `outcome` fail, or be cancelled, if that happened to `ended`."""
    if outcome.done():
        return
    try:
        ended.result()
    except CancelledError:
        outcome.cancel()
    except BaseException as error:
        outcome.set_exception(error)


def joined(parts: Sequence[Future[None]]) -> Future[None]:
    """Return a future that ends when all parts have, as the first of those that failed."""
    if len(parts) == 1:
        return parts[0]
    outcome: Future[None] = Future()

    def all_ended(_: Future[None]) -> None:
        for part in parts:
            pass_on_failure(outcome, part)
        if not outcome.done():
            outcome.set_result(None)

    ended_after(parts).add_done_callback(all_ended)
    return outcome


def followed_by(first: Future[None], begin: Callable[[], Future[None]]) -> Future[None]:
    """Return what fails as `first` does, or else ends as what `begin` begins after it."""
    outcome: Future[None] = Future()

    def go_on(ended: Future[None]) -> None:
        pass_on_failure(outcome, ended)
        if outcome.done():
            return
        try:
            pass_on(begin(), outcome)
        except Exception as error:
            outcome.set_exception(error)

    first.add_done_callback(go_on)
    return outcome


def ended_after(before: Sequence[Future[None]]) -> Future[None]:
    """Return a future that is done once everything `before` has ended, however it did."""
    outcome: Future[None] = Future()
    lock = threading.Lock()
    waiting = len(before)

    def one_ended(_: Future[None]) -> None:
        nonlocal waiting
        with lock:
            waiting -= 1
            is_last = waiting == 0
        if is_last:
            outcome.set_result(None)

    for future in before:
        future.add_done_callback(one_ended)
    if not before:
        outcome.set_result(None)
    return outcome
