"""A CA that issues certificates to tests."""

import datetime
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from server.access.certificates import CertificateFiles

DAY = datetime.timedelta(days=1)


class CertificateAuthority:
    """Issues certificates for localhost into a folder of its own."""

    def __init__(self, folder: Path, *, days: int = 30) -> None:
        """Make a CA that ends after `days`; negative: that has ended so many ago."""
        folder.mkdir()
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name("Test CA")
        self.serial = 0
        extension = x509.BasicConstraints(ca=True, path_length=None)
        certificate = self._builder(self.name, self.key, days).add_extension(extension, True)
        self.certificate = certificate.sign(self.key, hashes.SHA256())
        self.path = folder / "ca.pem"
        self.path.write_bytes(_pem(self.certificate))

    def issue(
        self,
        common_name: str = "server",
        *,
        days: int = 30,
        usage: x509.ObjectIdentifier | None = None,
    ) -> CertificateFiles:
        """Write a certificate for localhost and its key; `usage`: for nothing else."""
        self.serial += 1
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_name(common_name), key, days).add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]), False
        )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
        files = CertificateFiles(
            cert=self.folder / f"{self.serial}.pem", key=self.folder / f"{self.serial}.key"
        )
        files.cert.write_bytes(_pem(builder.sign(self.key, hashes.SHA256())))
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    def _builder(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 60 * DAY)
            .not_valid_after(now + days * DAY)
        )


def replace_files(files: CertificateFiles, by: CertificateFiles) -> None:
    """Put other files in the place of `files`, as certbot does."""
    os.replace(by.cert, files.cert)
    os.replace(by.key, files.key)


CLIENT_ONLY = ExtendedKeyUsageOID.CLIENT_AUTH


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
