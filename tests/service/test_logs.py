"""Log lines: one object a line, gathered, never half a line, never a fault of its own."""

import json
import logging
import os
import time
from typing import Any

import pytest

from service.application import create_observer
from service.observing.logs import LineFormatter, LogWriter
from service.settings import load_settings


@pytest.fixture
def target(tmp_path: Any) -> Any:
    path = tmp_path / "log"
    with path.open("w") as stream:
        yield path, stream


def lines(path: Any) -> Any:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_is_an_object_with_a_time_a_level_and_a_message(target: Any) -> None:
    path, stream = target
    LogWriter(stream).write("warning", "it rains", {"where": "Tromsø\n", "n": 3})
    (line,) = lines(path)
    assert abs(time.time() - time.mktime(time.strptime(line.pop("time"), "%Y-%m-%dT%H:%M:%S.%fZ"))) < 86400
    assert line == {"level": "warning", "message": "it rains", "where": "Tromsø\n", "n": 3}


def test_what_is_below_the_level_is_not_written(target: Any) -> None:
    path, stream = target
    writer = LogWriter(stream, level="warning")
    writer.write("info", "no", {})
    writer.write("error", "yes", {})
    assert [line["message"] for line in lines(path)] == ["yes"]


def test_the_text_format_is_for_people(target: Any) -> None:
    path, stream = target
    LogWriter(stream, is_json=False).write("info", "model loaded", {"model": "iris"})
    assert path.read_text().endswith("Z info    model loaded model=iris\n")


def test_the_settings_say_which_lines_there_are_and_in_which_shape(capfd: Any) -> None:
    for log_format in ("json", "text"):
        observer = create_observer(load_settings(log_level="warning", log_format=log_format))
        observer.reported("info", "no")
        observer.reported("warning", "it rains", where="here")
    as_json, as_text = capfd.readouterr().out.splitlines()
    assert json.loads(as_json).items() >= {"message": "it rains", "where": "here"}.items()
    assert as_text.endswith(" warning it rains where=here")


def test_lines_are_gathered_until_they_are_many_or_flushed(target: Any) -> None:
    path, stream = target
    writer = LogWriter(stream)
    writer.is_gathering = True
    for i in range(70):
        writer.write("info", str(i), {})
    assert len(lines(path)) == 64
    writer.flush()
    assert [line["message"] for line in lines(path)] == [str(i) for i in range(70)]


def test_lines_through_a_pipe_are_written_in_whole_pieces() -> None:
    reader, end = os.pipe()
    with os.fdopen(end, "w") as stream, os.fdopen(reader, "rb", buffering=0) as source:
        writer = LogWriter(stream)
        writer.is_gathering = True
        for _ in range(60):
            writer.write("info", "x" * 300, {})
        writer.flush()
        data = source.read(65536)
    assert [json.loads(line)["message"] for line in data.splitlines()] == ["x" * 300] * 60
    assert data.endswith(b"\n")


def test_a_reader_that_went_away_costs_lines_and_nothing_else() -> None:
    reader, end = os.pipe()
    os.close(reader)
    with os.fdopen(end, "w") as stream:
        LogWriter(stream).write("info", "lost", {})


def test_other_libraries_log_through_the_same_lines(target: Any) -> None:
    path, stream = target
    logger = logging.getLogger("elsewhere")
    handler = LineFormatter(LogWriter(stream))
    logger.addHandler(handler)
    try:
        try:
            int("the reason")
        except ValueError:
            logger.exception("it failed: %s", 7)
    finally:
        logger.removeHandler(handler)
    (line,) = lines(path)
    assert (line["level"], line["message"], line["logger"]) == ("error", "it failed: 7", "elsewhere")
    assert "the reason" in line["trace"]


def test_a_request_is_one_line(target: Any, tmp_path: Any) -> None:
    path, stream = target
    observer = create_observer(load_settings(models=tmp_path), LogWriter(stream))
    observer.answered(
        request_id="r1", method="POST", route="/predict", path="/predict" + '"\n\x00é' + "x" * 9000, status=200,
        seconds=0.0123456, received=10, sent=20, model="iris", version=4, rows=2,
    )  # fmt: skip
    (line,) = lines(path)
    assert line["path"].startswith('/predict"\n\x00é')
    assert len(line["path"]) == 256
    del line["time"], line["path"]
    assert line == {
        "level": "info", "message": "request", "request_id": "r1", "method": "POST", "route": "/predict",
        "status": 200, "ms": 12.346, "bytes_in": 10, "bytes_out": 20, "model": "iris", "version": 4, "rows": 2,
    }  # fmt: skip


def test_a_failure_is_reported_with_its_trace(target: Any, tmp_path: Any) -> None:
    path, stream = target
    observer = create_observer(load_settings(models=tmp_path, log_level="warning"), LogWriter(stream, level="warning"))
    observer.answered(
        request_id="r1", method="GET", route="/", path="/", status=200, seconds=0.0, received=0, sent=0, model=None,
        version=None, rows=0,
    )  # fmt: skip
    observer.reported("info", "not now")
    observer.reported("error", "a request failed", error=ValueError("the reason"), request_id="r2")
    (line,) = lines(path)
    assert (line["message"], line["request_id"]) == ("a request failed", "r2")
    assert "ValueError: the reason" in line["trace"]
