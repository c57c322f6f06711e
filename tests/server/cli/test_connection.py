"""Which server a command talks to, and what it shows it."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli.commands import app
from server.cli.embedded import running_server
from server.config import ServerConfig
from tests.server.access.certificate_authority import CertificateAuthority


def test_a_server_with_client_certificates_knows_the_command(
    config: ServerConfig, tmp_path: Path
) -> None:
    authority = CertificateAuthority(tmp_path / "ca")
    files, alice = authority.issue(), authority.issue("alice")
    asking = replace(
        config,
        host="localhost",
        http=False,
        auth="token",  # a call without one is the certificate's
        data_dir=tmp_path / "data",
        tls_cert=files.cert,
        tls_key=files.key,
        tls_client_ca=authority.path,
    )
    shown = ["--client-certificate", str(alice.cert), "--client-key", str(alice.key)]
    with running_server(asking) as address:
        arguments = ["doctor", "--server", f"grpcs://{address}", "--tls-ca", str(authority.path)]
        known = CliRunner().invoke(app, [*arguments, *shown])
        nobody = CliRunner().invoke(app, arguments)
    assert "limits" in known.stdout, known.output
    assert "no server at grpcs://localhost" in nobody.stderr
    assert nobody.exit_code != 0


@pytest.mark.parametrize(
    ("option", "is_for"),
    [
        (["--client-key", "key.pem"], "a --server; name it"),
        (["--tls-ca", "ca.pem"], "a --server; name it"),
        (["--server", "127.0.0.1:1", "--models", "starter"], "of this command's own"),
    ],
)
def test_an_option_of_the_other_kind_of_server_is_refused(option: list[str], is_for: str) -> None:
    result = CliRunner().invoke(app, ["doctor", *option])
    assert result.exit_code == 2
    assert f"{option[-2]} is for" in result.stderr
    assert is_for in result.stderr
