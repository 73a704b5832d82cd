"""This process among others: how it ends with the server, and what its own children inherit."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import NoReturn

_PR_SET_PDEATHSIG = 1


def settle(parent_pid: int) -> None:
    """Tie this process's life to that of the server, and leave Ctrl-C to the server."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent_pid and os.getppid() != parent_pid:  # it died before it could be tied to
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True, errors="backslashreplace")


def keep_private(descriptors: Iterable[int]) -> None:
    """Keep the channels from the model's own children, in which they would outlive this process.

    The server learns of this process's death from the end of its channels.
    """
    private = [descriptor for descriptor in descriptors if descriptor >= 0]
    for descriptor in private:
        os.set_inheritable(descriptor, False)

    def close_in_child() -> None:
        for descriptor in private:
            os.close(descriptor)

    os.register_at_fork(after_in_child=close_in_child)


def end(code: int) -> NoReturn:
    """End this process in order, but without waiting for threads that the model left running."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
