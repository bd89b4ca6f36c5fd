"""The images and the compose file with a real engine."""

import json
import socket
import subprocess
import time

import pytest

from tests.container.stack import Stack, eventually

pytestmark = pytest.mark.container

ADDED_BYTES = 120_000_000
CONNECTIONS = 16
BODY = json.dumps({"instances": [[5.1, 3.5, 1.4, 0.2]] * 50}).encode()

PROCESSES = """
import json, pathlib
parents = {}
for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
    fields = stat.read_text().rpartition(")")[2].split()
    parents[int(stat.parent.name)] = int(fields[1])
leaves = [pid for pid, parent in parents.items() if parent and pid not in parents.values()]
print(json.dumps(sorted(leaves)))
"""
HARDENING = """
import importlib.util, json, os, pathlib
def refused(path):
    try:
        pathlib.Path(path, "probe").write_text("x")
    except OSError:
        return True
    return False
lines = pathlib.Path("/proc/self/status").read_text().splitlines()
status = dict(line.split(":\\t") for line in lines if ":\\t" in line)
print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
    "no_new_privileges": status["NoNewPrivs"],
    "refused": [refused(path) for path in ("/", "/app", "/models", "/opt/ganglion", "/tmp")],
    "found": [name for name in ("sklearn", "scipy", "matplotlib", "training", "pip") if importlib.util.find_spec(name)],
}))
"""

SAGEMAKER = """
import os, subprocess, sys
from urllib.request import Request, urlopen
given = {"SM_MODEL_DIR": "/models/iris/1", "SAGEMAKER_BIND_TO_PORT": "8081", "GANGLION_WORKERS": "1"}
options = {"env": os.environ | given, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
with subprocess.Popen([sys.executable, "-m", "serve"], **options) as process:
    url = process.stderr.readline().split()[-1]
    rows = Request(url + "/invocations", b"5.1,3.5,1.4,0.2", {"Content-Type": "text/csv", "Accept": "text/csv"})
    print(urlopen(url + "/ping").status, urlopen(rows).read().decode().strip())
    process.terminate()
"""


def workers(stack: Stack) -> list[int]:
    found: list[int] = json.loads(stack.python(PROCESSES))
    return found


def test_a_fresh_clone_trains_iris_and_serves_it(stack: Stack) -> None:
    assert "training iris" in stack.compose("logs", "train")
    assert stack.inspect("train")["State"]["ExitCode"] == 0
    body = stack.predict()
    assert (body["model"], body["version"], body["predictions"]) == ("iris", 1, ["setosa"])


def test_the_training_service_leaves_a_trained_repository_alone(stack: Stack) -> None:
    assert "nothing to train" in stack.job("deploy.first_model")


def test_the_image_starts_as_sagemaker_starts_it(stack: Stack) -> None:
    assert stack.python(SAGEMAKER).split() == ["200", "setosa"]


def test_the_health_check_reports_healthy(stack: Stack) -> None:
    eventually(
        lambda: stack.inspect()["State"]["Health"]["Status"] == "healthy", within_s=60, what="the container is healthy"
    )


def test_the_server_runs_without_rights(stack: Stack) -> None:
    assert json.loads(stack.python(HARDENING)) == {
        "user": [10001, 10001],
        "capabilities": 0,
        "no_new_privileges": "1",
        "refused": [True, True, True, True, False],  # of these, /tmp alone takes a file
        "found": [],
    }


def test_the_serving_image_adds_little_to_its_base(stack: Stack) -> None:
    base = f"{stack.project}-base"
    stack.run("docker", "build", "--quiet", "--target", "base", "--tag", base, ".")
    try:
        sizes = [
            int(stack.run("docker", "image", "inspect", "--format", "{{.Size}}", image))
            for image in (stack.inspect()["Image"], base)
        ]
    finally:
        stack.run("docker", "image", "rm", base)
    assert 0 < sizes[0] - sizes[1] < ADDED_BYTES


def test_a_promoted_version_is_served_without_a_restart(stack: Stack) -> None:
    started = stack.inspect()["State"]["StartedAt"]
    before = stack.predict()["version"]

    stack.job("training", "fit", "iris", "--seed", "7", "--no-promote")
    assert stack.predict()["version"] == before
    stack.job("predictor", "promote", "iris", str(before + 1))
    eventually(lambda: stack.predict()["version"] == before + 1, within_s=60, what="the promoted version is served")

    stack.job("predictor", "rollback", "iris")
    eventually(lambda: stack.predict()["version"] == before, within_s=60, what="the old version is served again")
    assert stack.inspect()["State"]["StartedAt"] == started


def test_a_killed_worker_is_replaced(stack: Stack) -> None:
    before = workers(stack)
    stack.python(f"import os; os.kill({before[0]}, 9)")

    def replaced() -> bool:
        now = workers(stack)
        return len(now) == len(before) and before[0] not in now

    eventually(replaced, within_s=60, what="a new worker stands in for the killed one")
    eventually(stack.answers, within_s=60, what="/readyz answers 200")
    for _ in range(20):
        assert stack.predict()["predictions"] == ["setosa"]
    assert stack.inspect()["RestartCount"] == 0


def test_requests_under_way_at_sigterm_are_answered(stack: Stack) -> None:
    connections = [socket.create_connection(("127.0.0.1", stack.port), timeout=120) for _ in range(CONNECTIONS)]
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(BODY)}\r\n"
    try:
        for connection in connections:
            connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + BODY[:100])
        time.sleep(0.5)  # each of them is with a worker now
        with subprocess.Popen(["docker", "stop", stack.container()], stdout=subprocess.DEVNULL) as stopping:
            time.sleep(1)
            assert stopping.poll() is None, "the server did not wait for the requests under way"
            for connection in connections:
                connection.sendall(BODY[100:])
            answers = [connection.makefile("rb").read() for connection in connections]
            assert stopping.wait(timeout=120) == 0
        assert [answer.split(b" ", 2)[1] for answer in answers] == [b"200"] * CONNECTIONS
        assert all(answer.count(b"setosa") >= len(json.loads(BODY)["instances"]) for answer in answers)
        assert stack.inspect()["State"]["ExitCode"] == 0
    finally:
        for connection in connections:
            connection.close()
        stack.compose("up", "--detach", "serve")
        stack.wait_until_ready()
