"""Certificates for servers and clients of a test, as the PEM files that options name."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate with what signed it, and its key."""

    certificate: Path
    key: Path


class Authority:
    """Who signs certificates, with a folder for the files."""

    def __init__(self, directory: Path) -> None:
        self._authority = trustme.CA()
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.root = directory / "root.pem"
        self._authority.cert_pem.write_to_path(str(self.root))

    def issue(self, name: str) -> CertificateFiles:
        """Make a certificate of this machine; files of that name are replaced."""
        issued = self._authority.issue_cert("localhost", "127.0.0.1")
        files = CertificateFiles(self._directory / f"{name}.crt", self._directory / f"{name}.key")
        files.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        files.key.write_bytes(issued.private_key_pem.bytes())
        return files

    def client_context(
        self, *protocols: str, certificate: CertificateFiles | None = None
    ) -> ssl.SSLContext:
        """Return what a client speaks TLS with; it trusts this authority alone."""
        context = ssl.create_default_context(cafile=str(self.root))
        if protocols:
            context.set_alpn_protocols(protocols)
        if certificate is not None:
            context.load_cert_chain(certificate.certificate, certificate.key)
        return context


def tls_arguments(protocol: str, files: CertificateFiles, root: Path | None = None) -> list[str]:
    """Return the options of one listener; with a root, clients must have certificates too."""
    arguments = [
        f"--{protocol}-use-ssl=true",
        f"--{protocol}-server-cert={files.certificate}",
        f"--{protocol}-server-key={files.key}",
    ]
    if root is not None:
        arguments += [f"--{protocol}-use-ssl-mutual=true", f"--{protocol}-root-cert={root}"]
    return arguments
