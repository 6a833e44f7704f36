"""The throw-away certificate authority: certificates for *.googleapis.com and *.run.app, trusted by nobody else.

The authority is made once per home and kept in tls/; a leaf is made for each host name when it is first asked for.
"""

from __future__ import annotations

import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

SERVED: Final = (".googleapis.com", ".run.app", ".pkg.dev")
AUTHORITY_DAYS: Final = 3650
LEAF_DAYS: Final = 396
"""The most that clients accept of a leaf is 398."""
EXACTLY: Final = ("accounts.google.com", "metadata.google.internal", "www.gstatic.com")


def serves(host: str) -> bool:
    """Whether the sandbox stands in for *host*."""
    return host.endswith(SERVED) or host in EXACTLY


class Authority:
    """Issues certificates. *folder* is private to the user."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.ca_file = folder / "ca.pem"

    def prepare(self) -> None:
        """Make the authority where there is none yet; about 5 ms."""
        if not self.ca_file.exists():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_authority(self._folder / "ca.key", self.ca_file)

    def context(self, host: str) -> ssl.SSLContext:
        """The TLS to speak as *host*."""
        with self._lock:
            if host not in self._contexts:
                self._contexts[host] = self._make(host)
            return self._contexts[host]

    def _make(self, host: str) -> ssl.SSLContext:
        leaf = self._folder / f"{host}.pem"
        _make_leaf(host, self._folder / "ca.key", self.ca_file, leaf)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf)
        context.set_alpn_protocols(["http/1.1"])
        return context


def _make_authority(key_file: Path, certificate_file: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("mlflow-reconcile sandbox CA")
    use = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(name, name, key.public_key(), AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(use, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(key_file, _pem(key))
    _write(certificate_file, _certificate_pem(certificate))


def _make_leaf(host: str, ca_key: Path, ca_file: Path, target: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    authority: Any = serialization.load_pem_private_key(ca_key.read_bytes(), None)
    issuer = x509.load_pem_x509_certificate(ca_file.read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(_name(host[:64]), issuer.subject, key.public_key(), LEAF_DAYS)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(authority, hashes.SHA256())
    )
    _write(target, _pem(key) + _certificate_pem(certificate))


def _name(text: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: Any, issuer: Any, key: Any, days: int) -> Any:
    from cryptography import x509

    start = datetime.now(UTC) - timedelta(days=1)  # a day back, for clocks that disagree
    end = start + timedelta(days=days)
    return x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), start, end)


def _pem(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization as s

    return key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())


def _certificate_pem(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(content)
    fresh.replace(path)
