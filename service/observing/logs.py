"""Log lines: one JSON object a line, gathered for a moment and written together."""

import itertools
import logging
import os
import secrets
import stat
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from typing import Any, TextIO

import orjson

__all__ = ["LineFormatter", "LogWriter", "capture_logging", "trace_of"]

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
GATHERED_LINES = 64
PIPE_BYTES = 4096  # a pipe takes this much in one piece, whoever else writes to it
OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
FRACTIONS = tuple(f".{ms:03d}Z" for ms in range(1000))
LONGEST_TRACE = 3000


class LogWriter:
    """Writes lines to a file descriptor; every process that forks has its own gathered lines.

    Lines wait until `flush`, at most 64 of them, unless `is_gathering` is off: then each is written at once.
    """

    def __init__(self, stream: TextIO | None = None, *, level: str = "info", is_json: bool = True) -> None:
        self._descriptor = (stream or sys.stdout).fileno()
        self._is_pipe = not stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self.level = LEVELS[level]
        self.is_json = is_json
        self.is_gathering = False
        self._lines: list[bytes] = []
        self._lock = threading.Lock()
        self._second = 0
        self._date = ""

    def write(self, level: str, message: str, fields: dict[str, Any]) -> None:
        """Write one line if its level is to be logged."""
        if LEVELS[level] < self.level:
            return
        self.put(self.line(level, message, fields))

    def line(self, level: str, message: str, fields: dict[str, Any]) -> bytes:
        """Render one line."""
        return self.rendered({"time": self.stamp(), "level": level, "message": message, **fields})

    def rendered(self, record: dict[str, Any]) -> bytes:
        """Render one line whose fields begin with time, level and message."""
        if self.is_json:
            return orjson.dumps(record, default=str, option=OPTIONS)
        when, level, message, *_ = record.values()
        extra = " ".join(f"{name}={value}" for name, value in itertools.islice(record.items(), 3, None))
        text = f"{when} {level:<7} {message} {extra}".rstrip()
        return text.encode("utf-8", "backslashreplace") + b"\n"

    def template(self, record: dict[str, Any], formats: Mapping[str, bytes]) -> bytes:
        """Render a line as a format of bytes: the fields that `formats` names are left open, in their order."""
        # Numbers that nobody can guess stand for them: they stand in no other field.
        marks = {name: f"{secrets.randbits(59) + 2**59}" for name in formats}
        line = self.rendered(record | {name: type(record[name])(mark) for name, mark in marks.items()})
        line = line.replace(b"%", b"%%")
        for name, mark in marks.items():
            line = line.replace(mark.encode(), formats[name])
        return line

    def put(self, *lines: bytes) -> None:
        """Take rendered lines."""
        self._lines += lines
        if not self.is_gathering or len(self._lines) >= GATHERED_LINES:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered; a reader that has gone away costs the lines and nothing else."""
        if not self._lines:
            return
        with self._lock:
            lines, self._lines = self._lines, []
            try:
                if self._is_pipe:
                    self._write_pieces(lines)
                else:
                    self._write(b"".join(lines))
            except OSError:
                return

    def _write_pieces(self, lines: list[bytes]) -> None:
        piece: list[bytes] = []
        size = 0
        for line in lines:
            if piece and size + len(line) > PIPE_BYTES:
                self._write(b"".join(piece))
                piece, size = [], 0
            piece.append(line)
            size += len(line)
        self._write(b"".join(piece))

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]

    def stamp(self, at: float | None = None) -> str:
        """Return a time, now by default, as lines have it."""
        now = time.time() if at is None else at
        second = int(now)
        if second != self._second:
            self._date = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return self._date + FRACTIONS[int((now - second) * 1000)]


class LineFormatter(logging.Handler):
    """Sends the standard library's log records, gunicorn's and others', to a LogWriter."""

    def __init__(self, writer: LogWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record as a line."""
        fields: dict[str, Any] = {"logger": record.name, "pid": record.process}
        if record.exc_info and record.exc_info[1]:
            fields["trace"] = trace_of(record.exc_info[1])
        level = record.levelname.lower()
        self._writer.write(level if level in LEVELS else "info", record.getMessage(), fields)


def trace_of(error: BaseException) -> str:
    """Return the end of a traceback: the part that names the fault."""
    return "".join(traceback.format_exception(error))[-LONGEST_TRACE:]


def capture_logging(writer: LogWriter) -> None:
    """Let every logger of the standard library write through `writer`."""
    logging.basicConfig(handlers=[LineFormatter(writer)], level=writer.level, force=True)
