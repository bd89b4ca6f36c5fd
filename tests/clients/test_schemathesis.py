"""Requests drawn from the service's own description: none is a fault of the service, each answer is a described one."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from service.keys import new_key
from tests.service import models
from tests.service.wire import running

pytestmark = pytest.mark.clients

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def checked(environment: Path, folder: Path, url: str, *options: str) -> str:
    command = [str(environment / "bin" / "schemathesis"), "run", f"{url}/openapi.json", "--checks", CHECKS]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--no-color", "--seed", "1", *options]
    # It keeps notes where it runs.
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("with_keys", [False, True])
def test_schemathesis_finds_no_fault_and_no_answer_that_is_not_described(
    environment: Path, tmp_path: Path, with_keys: Any
) -> None:
    if not (environment / "bin" / "schemathesis").exists():
        pytest.skip("the environment has no schemathesis: make test-clients sets it up")
    models.filled_repository(tmp_path / "models")
    # Its one model is made to answer with infinity, which is a fault by intention.
    shutil.rmtree(tmp_path / "models" / "bursting")
    key, line = new_key("one", ["predict"])
    (tmp_path / "keys").write_text(line)
    settings = {"log_store": f"sqlite:///{tmp_path}/log.db"} | (
        {"api_key_file": tmp_path / "keys"} if with_keys else {}
    )
    with running(tmp_path / "models", workers=1, **settings) as service:
        options = (
            ("-H", f"X-API-Key: {key}", "--include-path-regex", "^/(predict|feedback|metrics|models)")
            if with_keys
            else ()
        )
        assert "passed" in checked(environment, tmp_path, service.url, *options)
        assert service.predicts() or with_keys
