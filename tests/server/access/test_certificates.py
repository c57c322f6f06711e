"""What certificates are taken, and what happens when they change."""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from pipeline.errors import InvalidInput
from server.access.certificates import CertificateFiles, CertificateWatch, read_certificates
from tests.server.access.certificate_authority import (
    CLIENT_ONLY,
    CertificateAuthority,
    replace_files,
)


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path / "ca")


def with_passphrase(files: CertificateFiles) -> CertificateFiles:
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    return files


def written(files: CertificateFiles, which: str, content: str) -> CertificateFiles:
    path = files.cert.with_name("written")
    path.write_text(content)
    return replace(files, **{which: path})


PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

# what is wrong, and what the message must say
WRONG: dict[str, tuple[Callable[[CertificateAuthority], CertificateFiles], str]] = {
    "no certificate": (
        lambda ca: replace(ca.issue(), cert=Path("no.pem")), r"no\.pem \(tls_cert\): No such",
    ),
    "no key": (
        lambda ca: replace(ca.issue(), key=Path("no.key")), r"no\.key \(tls_key\): No such",
    ),
    "no CA": (
        lambda ca: replace(ca.issue(), client_ca=Path("no.pem")), r"\(tls_client_ca\): No such",
    ),
    "a folder": (lambda ca: replace(ca.issue(), cert=ca.folder), r"\(tls_cert\): Is a directory"),
    "another's key": (
        lambda ca: replace(ca.issue(), key=ca.issue().key), r"2\.key .* is not that of .*1\.pem",
    ),
    "files swapped": (
        lambda ca: replace(one := ca.issue(), cert=one.key, key=one.cert), r"\(tls_cert\) is no",
    ),
    "garbage in PEM": (lambda ca: written(ca.issue(), "cert", PEM), "no certificate and key"),
    "garbage as CA": (lambda ca: written(ca.issue(), "client_ca", PEM), r"\(tls_client_ca\)"),
    "an endless file": (
        lambda ca: written(ca.issue(), "cert", PEM * 20_000), r"\(tls_cert\) is no PEM",
    ),
    "a passphrase": (lambda ca: with_passphrase(ca.issue()), "has a passphrase"),
    "expired": (lambda ca: ca.issue(days=-1), "certificate has expired"),
    "for clients only": (lambda ca: ca.issue(usage=CLIENT_ONLY), r"purpose"),
    "a CA that is none": (
        lambda ca: replace(ca.issue(), client_ca=ca.issue().cert), "no certificate of a CA",
    ),
    "an expired CA": (
        lambda ca: replace(
            ca.issue(), client_ca=CertificateAuthority(ca.folder / "old", days=-1).path
        ),
        "that has not expired",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_are_named(case: str, authority: CertificateAuthority) -> None:
    files, message = WRONG[case]
    with pytest.raises(InvalidInput, match=message):
        read_certificates(files(authority))


def test_good_files_are_read(authority: CertificateAuthority) -> None:
    files = replace(authority.issue(days=7), client_ca=authority.path)
    found = read_certificates(files)
    assert found.cert == files.cert.read_bytes()
    assert found.key == files.key.read_bytes()
    assert found.client_ca == authority.path.read_bytes()
    lasts = found.end - authority.certificate.not_valid_before_utc
    assert lasts.days == 60 + 7


def test_an_expired_certificate_in_the_chain_is_found(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    old = CertificateAuthority(tmp_path / "old", days=-1)
    files = old.issue()
    files.cert.write_bytes(files.cert.read_bytes() + old.path.read_bytes())
    with pytest.raises(InvalidInput, match="expired"):
        read_certificates(files)


def test_a_changed_certificate_is_read_again(authority: CertificateAuthority) -> None:
    files = authority.issue()
    watch = CertificateWatch(files)
    first = watch.latest()
    assert watch.latest() is first
    new = authority.issue()
    content = new.cert.read_bytes()
    replace_files(files, by=new)
    assert watch.latest().cert == content


@pytest.mark.parametrize("way", ["garbage", "gone", "expired", "half replaced"])
def test_a_broken_change_keeps_the_old_one(
    way: str, authority: CertificateAuthority, caplog: pytest.LogCaptureFixture
) -> None:
    files = authority.issue()
    watch = CertificateWatch(files)
    first, new = watch.latest(), authority.issue(days=-1 if way == "expired" else 30)
    content = new.cert.read_bytes()
    match way:
        case "garbage":
            files.cert.write_text("garbage")
        case "gone":
            files.cert.unlink()
        case "expired":
            replace_files(files, by=new)
        case _:
            os.replace(new.cert, files.cert)
    caplog.clear()
    for _ in range(3):
        assert watch.latest() is first
    errors = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert len(errors) == 1
    assert str(files.cert) in errors[0].getMessage()
    if way == "half replaced":
        os.replace(new.key, files.key)
        assert watch.latest().cert == content
