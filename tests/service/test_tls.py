"""HTTPS by two files: the same answers, encrypted, and nothing in the clear."""

import contextlib
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from service.settings import SettingsError, load_settings
from tests.service import models
from tests.service.wire import GOOD, answers, running, until

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificate")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: Any) -> Any:
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "cert.pem", folder / "key.pem"
    command = [str(OPENSSL), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-out", str(files[0]), "-keyout", str(files[1]), "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return files


@pytest.fixture(scope="module")
def repository(tmp_path_factory: Any) -> Any:
    return models.filled_repository(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def service(repository: Any, certificate: Any) -> Any:
    with started(repository, certificate) as service:
        yield service


def started(repository: Any, certificate: Any, **settings: Any) -> Any:
    return running(repository.root, workers=1, tls_cert=certificate[0], tls_key=certificate[1], **settings)


def encrypted(service: Any, certificate: Any) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=certificate[0])
    return context.wrap_socket(service.connect(), server_hostname="127.0.0.1")


def test_predictions_are_answered_encrypted(service: Any, certificate: Any) -> None:
    assert service.url.startswith("https://")
    with encrypted(service, certificate) as connection:
        given = answers(connection)
        for _ in range(3):
            connection.sendall(GOOD)
            answer = next(given)
            assert (answer.status, answer.json["version"]) == (200, 3)
            assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_nothing_is_answered_in_the_clear(service: Any, certificate: Any) -> None:
    with service.connect() as connection:
        connection.sendall(GOOD)
        with contextlib.suppress(ConnectionResetError):
            assert b"HTTP" not in connection.recv(65536)
    test_predictions_are_answered_encrypted(service, certificate)


def test_old_versions_of_the_protocol_are_refused(service: Any, certificate: Any) -> None:
    old = ssl.create_default_context(cafile=certificate[0])
    old.set_ciphers("ALL:@SECLEVEL=0")  # else the client would not even ask
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with service.connect() as connection, pytest.raises((ssl.SSLError, ConnectionResetError)):
        old.wrap_socket(connection, server_hostname="127.0.0.1")


def test_handshakes_that_never_end_are_given_up(repository: Any, certificate: Any) -> None:
    with started(repository, certificate, header_timeout_s=5) as service, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(service.connect()) for _ in range(50)]
        test_predictions_are_answered_encrypted(service, certificate)
        for connection in slow:
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(4096):
                    pass
        until(lambda: connections(service, certificate) <= 2)


def connections(service: Any, certificate: Any) -> float:
    with encrypted(service, certificate) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        text = next(answers(connection)).body.decode()
    line = next(line for line in text.splitlines() if line.startswith("ganglion_connections "))
    return float(line.split()[1])


def test_files_that_make_no_certificate_stop_the_start(certificate: Any, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="go together"):
        load_settings(tls_cert=certificate[0])
    with pytest.raises(SettingsError, match="No such file"):
        load_settings(tls_cert=tmp_path / "absent", tls_key=certificate[1])
    with pytest.raises(SettingsError, match="GANGLION_TLS_CERT, GANGLION_TLS_KEY: "):
        load_settings(tls_cert=certificate[1], tls_key=certificate[1])
