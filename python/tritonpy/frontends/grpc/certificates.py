"""The certificates of a grpc.aio port, which may change while it serves."""

from __future__ import annotations

from collections import deque

import grpc

from tritonpy.frontends.tls import read_pem, server_context
from tritonpy.options import TlsFiles


class Certificates:
    """What handshakes use. `reload` is confined to the loop; gRPC asks on threads of its own."""

    def __init__(self, files: TlsFiles) -> None:
        """Read the files. Raises InvalidArgError as `frontends.tls.server_context`."""
        self._files = files
        self._first = _read(files)
        self._fresh: deque[grpc.ServerCertificateConfiguration] = deque(maxlen=1)

    def credentials(self) -> grpc.ServerCredentials:
        """Return what a port is opened with."""
        return grpc.dynamic_ssl_server_credentials(
            self._first,
            self._take_fresh,  # type: ignore[arg-type]  # None is allowed
            require_client_authentication=self._files.mutual,
        )

    def reload(self) -> None:
        """Read the files again, for handshakes from now on. Raises as __init__."""
        self._fresh.append(_read(self._files))

    def _take_fresh(self) -> grpc.ServerCertificateConfiguration | None:
        """Return new certificates once; None says that there are none."""
        try:
            return self._fresh.pop()
        except IndexError:
            return None


def _read(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    server_context(files, "h2")  # gRPC itself would say nothing of bad files but to clients
    roots = None if files.root_cert is None else read_pem(files.root_cert)
    pair = (read_pem(files.server_key), read_pem(files.server_cert))
    return grpc.ssl_server_certificate_configuration([pair], root_certificates=roots)
