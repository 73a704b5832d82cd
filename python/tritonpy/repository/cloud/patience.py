"""How long a cloud is waited for, in each client's own words.

A request is given up when nothing comes for `timeout_s`. To an S3 it is tried `attempts` times, by
each of two layers: a listing fails after attempts² * timeout_s where a server accepts and never
answers, and after a third of that where nobody accepts. The clients of Google and Azure count tries
by themselves: six, and four. Azure's takes the time-out for downloads alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

_CONNECT_SHARE: Final = 1 / 3  # of the time-out: hand-shakes are quick, or do not come


@dataclass(frozen=True, slots=True)
class Patience:
    """`--cloud-timeout-secs` and `--cloud-attempts`."""

    timeout_s: float = 15
    attempts: int = 3

    def arguments(self, scheme: str) -> dict[str, Any]:
        """Return what s3fs, gcsfs or adlfs is opened with."""
        connect_s = self.timeout_s * _CONNECT_SHARE
        if scheme == "s3":
            return {
                "config_kwargs": {
                    "connect_timeout": connect_s,
                    "read_timeout": self.timeout_s,
                    # Answers of 5xx and those that say "slow down", and lost connections.
                    "retries": {"mode": "standard", "total_max_attempts": self.attempts},
                }
            }
        if scheme == "gs":
            from aiohttp import ClientTimeout

            silence = ClientTimeout(total=None, sock_connect=connect_s, sock_read=self.timeout_s)
            return {"requests_timeout": silence}
        return {"connection_timeout": connect_s, "read_timeout": self.timeout_s}

    def apply(self, filesystem: Any) -> None:
        """Set what is no argument: how often s3fs goes on where an answer was cut off."""
        filesystem.retries = self.attempts
