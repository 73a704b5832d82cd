"""Parameters of requests and responses: a dict for users, the text of a JSON object on the wire."""

from __future__ import annotations

import json
from typing import Any

from tritonpy.worker.errors import TritonModelException


def parameters_text(parameters: Any) -> str:
    """Return the JSON text of a dict of str to bool, int or str; empty for none."""
    if parameters is None or parameters == {}:
        return ""
    if not isinstance(parameters, dict):
        raise TritonModelException(f"Expect parameters to have type dict, got {type(parameters)}")
    for key, value in parameters.items():
        if not isinstance(key, str):
            raise TritonModelException(
                f"Expect parameters keys to have type str, found type {type(key)}"
            )
        if not isinstance(value, (bool, int, str)):
            raise TritonModelException(
                f"Expect parameters values to have type bool/int/str, found type {type(value)}"
            )
    return json.dumps(parameters)
