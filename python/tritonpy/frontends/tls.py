"""The PEM files of a listener that speaks TLS: read, and tried before anything depends on them."""

from __future__ import annotations

import ssl
from pathlib import Path

from tritonpy.errors import InvalidArgError
from tritonpy.options import TlsFiles


def read_pem(path: Path) -> bytes:
    """Return what a file holds. Raises InvalidArgError `failed to read '<file>': ...`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidArgError(f"failed to read '{path}': {error.strerror}") from error


def server_context(files: TlsFiles, protocol: str) -> ssl.SSLContext:
    """Return a context for TLS 1.2 and newer that offers one protocol, by its name in ALPN.

    Raises InvalidArgError as `load_files`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([protocol])
    if files.mutual:
        context.verify_mode = ssl.CERT_REQUIRED
    load_files(context, files)
    return context


def load_files(context: ssl.SSLContext, files: TlsFiles) -> None:
    """Let handshakes from now on use what the files hold; roots that they had stay trusted.

    Raises InvalidArgError `failed to read '<file>': ...` or `failed to set up TLS with '<file>'`.
    """
    for path in (files.server_cert, files.server_key):
        read_pem(path)
    try:
        context.load_cert_chain(files.server_cert, files.server_key)
    except (ssl.SSLError, ValueError) as error:
        raise InvalidArgError(f"failed to set up TLS with '{files.server_cert}'") from error
    if files.mutual and files.root_cert is not None:
        roots = read_pem(files.root_cert)
        try:
            context.load_verify_locations(cadata=roots.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise InvalidArgError(f"failed to set up TLS with '{files.root_cert}'") from error
