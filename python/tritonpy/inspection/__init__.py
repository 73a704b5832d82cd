"""Looks at model repositories as a server would, loads nothing, and says all that is wrong."""

from tritonpy.inspection.annotated_config import annotated
from tritonpy.inspection.model_check import CheckedModel, CheckOptions
from tritonpy.inspection.problem import Problem, Severity
from tritonpy.inspection.repository_check import (
    CheckedRepositories,
    check_file,
    check_one,
    check_repositories,
)

__all__ = [
    "CheckOptions",
    "CheckedModel",
    "CheckedRepositories",
    "Problem",
    "Severity",
    "annotated",
    "check_file",
    "check_one",
    "check_repositories",
]
