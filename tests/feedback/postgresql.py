"""A PostgreSQL server of Debian's packages on a socket in a folder of its own, for as long as a test needs it."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Server", "running", "why_not"]

PASSWORD = "correct horse"  # noqa: S105 - of a server that lives for some seconds, on a socket


class Server:
    """The binaries of a server, its folder, and the process while it runs."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries, self.folder = binaries, folder
        self.user = unprivileged()
        self.password_file = folder / "password"
        self.url = f"postgresql://ganglion@/postgres?host={folder}"
        self._process: subprocess.Popen[bytes] | None = None

    def initialise(self) -> None:
        self.password_file.write_text(f"{PASSWORD}\n")
        if self.user is not None:
            for path in (self.folder, self.password_file):
                shutil.chown(path, self.user)
        options = ["--username=ganglion", f"--pwfile={self.password_file}", "--auth=scram-sha-256", "--no-sync"]
        subprocess.run(
            [self.binaries / "initdb", *options, self.folder / "data"],
            check=True, capture_output=True, user=self.user, cwd=self.folder,
        )  # fmt: skip

    def start(self) -> None:
        options = ["-k", str(self.folder), "-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB"]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.folder / "data", *options],
                stdout=log, stderr=log, user=self.user, cwd=self.folder,
            )  # fmt: skip
        deadline = time.monotonic() + 120
        while subprocess.run([self.binaries / "pg_isready", "-q", "-h", self.folder], check=False).returncode:
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    def empty(self) -> None:
        subprocess.run(
            [self.binaries / "psql", "-q", "-h", self.folder, "-U", "ganglion", "-d", "postgres",
             "-c", "SET client_min_messages = error; DROP SCHEMA public CASCADE; CREATE SCHEMA public"],
            check=True, capture_output=True, env=os.environ | {"PGPASSWORD": PASSWORD},
        )  # fmt: skip

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let the server neither answer nor end for a while."""
        assert self._process is not None
        master = self._process.pid
        pids = [master, *map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split())]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(120)
            self._process = None


def why_not() -> str | None:
    """Say why no server can run here, None when one can."""
    if binaries() is None:
        return "PostgreSQL's server is not installed here"
    return None if importlib.util.find_spec("psycopg") else "psycopg is not installed here"


def binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    path = shutil.which("initdb")
    return found[-1].parent if found else None if path is None else Path(path).parent


def unprivileged() -> str | None:
    """Return the user to run as: the server refuses to run as root."""
    if os.getuid():
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


@contextmanager
def running() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="ganglion-pg-"))
    found = binaries()
    assert found is not None
    server = Server(found, folder)
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
