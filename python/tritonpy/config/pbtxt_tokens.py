"""The tokens of a `config.pbtxt`, and where each stands.

Only as much of the text form as it takes to find one's way in it: protobuf's own parser says what
is right.
"""

from __future__ import annotations

import re
from typing import Final

_SPACE: Final = re.compile(r"(?:\s|#[^\n]*)*")
# The groups are the kinds of token.
_TOKEN: Final = re.compile(
    r"""(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<open>[\[{<])|(?P<close>[\]}>])"""
    r"""|(?P<mark>[:,;])|(?P<word>[^\s"'#\[\]{}<>:,;]+)|(?P<other>["'])"""
)


def next_token(text: str, position: int) -> re.Match[str] | None:
    """Return the token at or after `position`, past space and comments; None at the end.

    Its kind is the match's `lastgroup`.
    """
    space = _SPACE.match(text, position)
    return _TOKEN.match(text, position if space is None else space.end())
