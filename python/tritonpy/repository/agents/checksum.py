"""Triton's checksum agent: refuses a model whose files are not those that its config names.

Parameters are `<algorithm>:<path below the model>`, with the digest in hex. Triton knows MD5;
SHA256 and SHA512 are ours.
"""

from __future__ import annotations

import hashlib
from typing import Final

from tritonpy.errors import InvalidArgError, UnsupportedError
from tritonpy.repository.agents.agent_model import AgentModel

_ALGORITHMS: Final = ("MD5", "SHA256", "SHA512")
_PIECE_BYTES: Final = 1 << 20


class TritonRepositoryAgent:
    """One check of one model."""

    def load(self, model: AgentModel) -> None:
        """Raise TritonError for a file that is not there or not the same."""
        for key, expected in model.parameters.items():
            algorithm, _, path = key.partition(":")
            if algorithm not in _ALGORITHMS:
                raise UnsupportedError(
                    f"'{model.name}': unsupported checksum algorithm '{algorithm}', expected one "
                    f"of {', '.join(_ALGORITHMS)}"
                )
            if _digest(model, algorithm, path) != expected.lower():
                raise InvalidArgError(
                    f"'{model.name}': Mismatched {algorithm} hash for file {path}"
                )


def _digest(model: AgentModel, algorithm: str, path: str) -> str:
    digest = hashlib.new(algorithm.lower(), usedforsecurity=False)
    try:
        with (model.location / path).open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
    except OSError as error:
        raise InvalidArgError(
            f"'{model.name}': failed to read file '{path}' for its checksum: {error.strerror}"
        ) from error
    return digest.hexdigest()
