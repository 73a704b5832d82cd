"""Goal: ready means that a model can answer now, by the core's word and by the model's own.

Method: a core with broken versions, and instances whose answers the test gives.
"""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tests.python.api.fakes import FakeCore, FakeRepository, log_settings, served
from tritonpy.api import V2Service
from tritonpy.errors import InternalError, UnavailableError
from tritonpy.worker_host import ReadyCheck


class FakeWorkers:
    """Instances of version 3 that check themselves."""

    def __init__(self, *instances: str) -> None:
        self.checks = [ReadyCheck(instance, Future()) for instance in instances]

    @property
    def has_checks(self) -> bool:
        return bool(self.checks)

    def ask_ready(self, identifier: str, version: int) -> list[ReadyCheck]:
        return self.checks if (identifier, version) == ("model", 3) else []


class Case:
    """A service over one model with two versions."""

    def __init__(self, *instances: str, check_timeout_s: float = 60, strict: bool = True) -> None:
        self.core = FakeCore()
        self.workers = FakeWorkers(*instances)
        self.service = V2Service(
            FakeRepository(served(), served(version=3)),
            self.core,
            log_settings,
            server_name="triton",
            server_version="1.2",
            strict_readiness=strict,
            checks=self.workers,
            check_timeout_s=check_timeout_s,
        )


async def test_a_version_that_cannot_run_is_not_ready() -> None:
    case = Case()
    case.core.broken.add(3)
    with pytest.raises(UnavailableError, match=r"^model 3 is broken$"):
        await case.service.require_model_ready("model", "")
    assert not await case.service.is_model_ready("model", "3")
    assert await case.service.is_model_ready("model", "1")


@pytest.mark.parametrize("strict", [True, False])
def test_a_strict_server_is_not_ready_while_a_version_cannot_run(strict: bool) -> None:
    case = Case(strict=strict)
    assert case.service.is_ready()
    case.core.broken.add(3)
    assert case.service.is_ready() is not strict


async def test_every_instance_has_its_own_word() -> None:
    case = Case("m_0_0", "m_0_1")
    first, second = case.workers.checks
    first.answer.set_result(True)
    second.answer.set_result(True)
    assert await case.service.is_model_ready("model", "3")
    case = Case("m_0_0", "m_0_1")
    first, second = case.workers.checks
    first.answer.set_result(True)
    second.answer.set_result(False)
    with pytest.raises(
        UnavailableError, match=r"^Model 'm_0_1' is not ready \(user-defined check failed\)\.$"
    ):
        await case.service.require_model_ready("model", "3")
    assert await case.service.is_model_ready("model", "1"), "which has no check"


async def test_an_answer_that_does_not_come_is_not_ready_and_may_still_come() -> None:
    case = Case("m_0_0", check_timeout_s=0.0)
    (check,) = case.workers.checks
    with pytest.raises(
        UnavailableError, match=r"^Timed out waiting for user-defined is_ready\(\) response$"
    ):
        await case.service.require_model_ready("model", "3")
    check.answer.set_result(True)
    assert check.answer.result()


async def test_a_check_that_fails_says_why() -> None:
    case = Case("m_0_0")
    case.workers.checks[0].answer.set_exception(InternalError("ill"))
    with pytest.raises(InternalError, match=r"^ill$"):
        await case.service.require_model_ready("model", "3")
