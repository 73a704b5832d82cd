"""A model for people who have none yet: a typed function, and no config.

`tritonpy serve examples/simple_model.py` serves it as the model `simple_model`, whose inputs are
`text` and `times` and whose output is `output`.
"""

from __future__ import annotations

import tritonpy


@tritonpy.model
def shout(text: str, times: int) -> str:
    """Return the text in capitals, as many times as asked."""
    return text.upper() * times
