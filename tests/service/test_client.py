"""The client against a running service, and against answers that a service gives on a bad day."""

import csv
import gzip
import io
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from service import cli
from service.client import BusyError, Client, ClientError, RefusedRequestError, ServerError, UnreachableError
from service.settings import Settings
from tests.service import models
from tests.service.wire import running, until

ROW = models.FLOWER_ROW


@pytest.fixture(scope="module")
def service(tmp_path_factory: Any) -> Any:
    root = tmp_path_factory.mktemp("models")
    models.filled_repository(root)
    store = f"sqlite:///{tmp_path_factory.mktemp('log')}/log.db"
    with running(root, workers=1, max_rows=100, log_store=store) as service:
        yield service


@pytest.fixture
def client(service: Any) -> Any:
    with Client(service.url, batch_rows=40) as client:
        yield client


def test_rows_of_any_number_are_predicted_in_their_order(client: Any) -> None:
    rng = np.random.default_rng(1)
    X = rng.uniform(0, 8, (95, 4)).round(3)
    whole = client.predict(X)
    assert (whole.model, whole.version, len(whole.predictions), len(whole.probabilities)) == ("flowers", 3, 95, 95)
    assert whole.predictions == [client.predict([row]).predictions[0] for row in X.tolist()]
    assert whole.classes == ["setosa", "versicolor", "virginica"]
    assert [label for label, p in zip(whole.predictions, whole.probabilities, strict=True)] == [
        whole.classes[int(np.argmax(p))] for p in whole.probabilities
    ]


def test_what_was_true_is_told_of_a_prediction(service: Any, client: Any) -> None:
    whole = client.predict([ROW] * 95)
    assert [count for _, count in whole.requests] == [40, 40, 15]
    assert len({request_id for request_id, _ in whole.requests}) == 3
    truths = ["virginica"] * 50 + [None] * 45
    with pytest.raises(ValueError, match="expected 95 truths, one for each row, found 94"):
        client.feedback(whole, truths[1:])
    assert client.feedback(whole, truths) == 50
    assert client.feedback(whole, [None] * 95) == 0
    until(lambda: service.get("/models/flowers/feedback").json["versions"][-1]["rows"] == 50)
    with pytest.raises(RefusedRequestError, match="no class of the model"):
        client.feedback(whole, ["rose"] * 95)


def test_models_and_versions_and_named_rows_are_asked_for_by_name(client: Any) -> None:
    price = client.predict([{"roof": "flat", "street": "paved", "area": 80}], model="houses")
    assert (price.model, price.probabilities, len(price.predictions)) == ("houses", [], 1)
    assert client.predict([ROW], model="flowers", version=2).version == 2
    assert client.models()["default"] == "flowers"
    assert [f["name"] for f in client.features()] == list(models.FLOWER_NAMES)
    assert client.is_ready()


def test_faults_are_typed_and_point_into_all_rows(client: Any) -> None:
    rows: list[list[Any]] = [ROW] * 70
    rows[65] = [*ROW[:3], "x"]
    with pytest.raises(RefusedRequestError, match="expected a number") as caught:
        client.predict(rows)
    assert [fault.pointer for fault in caught.value.faults] == ["/instances/65/3"]
    assert (caught.value.status, caught.value.count) == (422, 1)
    assert caught.value.request_id


@pytest.mark.parametrize("model", ["nothing", "../x", "a b", ""])
def test_a_model_that_is_not_there_is_refused(client: Any, model: Any) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        client.predict([ROW], model=model)
    assert caught.value.status == 404


def test_no_rows_are_refused_by_the_service(client: Any) -> None:
    with pytest.raises(RefusedRequestError):
        client.predict([])


def test_nobody_at_the_address_is_said_so() -> None:
    with Client("http://127.0.0.1:1", attempts=2) as client:
        assert not client.is_ready()
        with pytest.raises(UnreachableError, match="Nobody answers at"):
            client.predict([ROW])


def test_arguments_that_make_no_sense_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Client(attempts=0)
    with Client() as client, pytest.raises(ValueError, match="needs the name"):
        client.predict([ROW], version=2)


@pytest.fixture
def bad_day() -> Any:
    """Return a function that starts a server giving the answers listed, one a request, and the times it was asked."""
    servers = []

    def start(*script: Any) -> Any:
        asked = []
        left = list(script)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append(time.monotonic())
                self.rfile.read(int(self.headers["Content-Length"]))
                status, headers, body = left.pop(0)
                self.send_response(status)
                for name, text in headers.items():
                    self.send_header(name, text)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return Client(f"http://127.0.0.1:{server.server_port}", attempts=3, timeout_s=60), asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


GOOD: tuple[int, dict[str, str], bytes] = (200, {}, b'{"model": "m", "version": 1, "predictions": [7.5]}')
BUSY = b'{"detail": "The service is busy."}'


def pauses_s(bad_day: Any, script: Any, *, longest: float) -> list[list[float]]:
    """Predict by a script; return how long the client waited each time, once for each try until none was too long.

    Whoever else uses the machine may make a pause longer, never shorter.
    """
    found: list[list[float]] = []
    while not found or (len(found) < 5 and max(found[-1]) >= longest):
        client, asked = bad_day(*script)
        with client:
            assert client.predict([[1]]).predictions == [7.5]
        found.append([after - before for before, after in pairwise(asked)])
    assert max(found[-1]) < longest, found
    return found


def test_a_busy_service_is_asked_again_when_it_says(bad_day: Any) -> None:
    script: Any = ((429, {"Retry-After": "1"}, BUSY), GOOD)
    assert all(pause > 0.95 for (pause,) in pauses_s(bad_day, script, longest=1.5))


def test_a_busy_service_that_says_nothing_is_asked_again_later_and_later(bad_day: Any) -> None:
    script: Any = ((503, {}, BUSY), (503, {"Retry-After": "soon"}, BUSY), GOOD)
    assert all(first > 0.04 for first, _ in pauses_s(bad_day, script, longest=0.6))


def test_a_service_that_stays_busy_is_an_error_with_its_own_type(bad_day: Any) -> None:
    client, asked = bad_day(*[(503, {"Retry-After": "0", "X-Request-Id": "r1"}, BUSY)] * 3)
    with client, pytest.raises(BusyError, match="The service is busy") as caught:
        client.predict([[1]])
    assert (len(asked), caught.value.status, caught.value.request_id) == (3, 503, "r1")


def test_a_failure_is_not_asked_for_again(bad_day: Any) -> None:
    client, asked = bad_day((500, {}, b'{"detail": "The request failed."}'))
    with client, pytest.raises(ServerError, match="The request failed"):
        client.predict([[1]])
    assert len(asked) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b""])
def test_an_answer_that_is_no_document_is_an_error(bad_day: Any, body: Any) -> None:
    client, _ = bad_day((200, {}, body))
    with client, pytest.raises(ServerError, match="no JSON object"):
        client.predict([[1]])


def test_an_address_that_is_none_is_an_error() -> None:
    with Client("nowhere") as client, pytest.raises(ClientError, match="could not be made"):
        client.predict([[1]])


def test_the_command_predicts_a_file(service: Any, tmp_path: Any, capsys: Any) -> None:
    source = tmp_path / "flowers.csv"
    lines: list[list[Any]] = [
        ["id", *reversed(models.FLOWER_NAMES)],
        *([i, 0.2, 1.4, 3.5, 5.1] for i in range(90)),
        [90, "", 1.4, 3.5, 5.1],
    ]
    with source.open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    assert cli.main(["predict", str(source), "--url", service.url, "--batch", "30"]) == 0
    found = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert found[0] == ["prediction", *(f"probability of {n}" for n in ("setosa", "versicolor", "virginica"))]
    assert len(found) == 92
    with Client(service.url) as client:
        assert [row[0] for row in found[1:91]] == client.predict([ROW] * 90).predictions


def test_the_command_writes_numbers_and_categories_to_a_file(service: Any, tmp_path: Any) -> None:
    source, target = tmp_path / "houses.csv", tmp_path / "prices.csv"
    source.write_text("area,street,roof\n80,paved,1\n120,,flat\n")
    arguments = ["predict", str(source), "--url", service.url, "--model", "houses", "--output", str(target)]
    assert cli.main(arguments) == 0
    assert len(target.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "at least one row"),
        ("area,street,roof\n", "at least one row"),
        ("area,street,roof\n1,2\n", "line 2: expected 3 cells as in the header, found 2"),
        ('area,street,roof\n1,2,3\n1,2,"3\n1,2,3\n', "line 3: a quote is opened and never closed"),
        ('area,street,roof\n1,2,3\n1,"2,3\n1,2,3\n', "line 3: a quote is opened and never closed"),
        ("area,road,roof\n1,2,3\n", "does not have: 'street'; it has 'area', 'road', 'roof'"),
    ],
)
def test_the_command_says_what_is_wrong_with_a_file(
    service: Any, tmp_path: Any, capsys: Any, text: Any, sentence: Any
) -> None:
    source = tmp_path / "houses.csv"
    source.write_text(text)
    assert cli.main(["predict", str(source), "--url", service.url, "--model", "houses"]) == 2
    assert sentence in capsys.readouterr().err


AREAS = "12,5 €;paved;1", " 1.234,5 €;n/a;1"
PLAIN = "12.5,paved,1", "1234.5,,1"


def as_text(rows: tuple[str, ...], delimiter: str) -> str:
    return "\n".join([delimiter.join(("area", "street", "roof")), *rows]) + "\n"


@pytest.mark.parametrize(
    "data",
    [
        ("Areas of 2024\n" + as_text(AREAS, ";")).encode("utf-16"),
        as_text(AREAS, ";").encode("utf-16-le"),
        as_text(AREAS, ";").encode("windows-1252"),
        gzip.compress(as_text(AREAS, ";").replace("\n", "\r\n").encode("utf-8-sig")),
        as_text(AREAS, ";").replace(";", "\t").encode(),
        as_text(AREAS, ";").replace(";", " | ").encode(),
    ],
    ids=["utf-16", "utf-16-le", "windows-1252", "gzip", "tabs", "bars"],
)
def test_the_command_reads_what_training_reads(service: Any, tmp_path: Any, capsys: Any, data: bytes) -> None:
    answers = []
    for number, content in enumerate((as_text(PLAIN, ",").encode(), data)):
        source = tmp_path / f"{number}.csv"
        source.write_bytes(content)
        assert cli.main(["predict", str(source), "--url", service.url, "--model", "houses"]) == 0
        answers.append(capsys.readouterr())
    assert answers[0].out == answers[1].out
    assert "which is read as 1234.5" in answers[1].err


def test_cells_that_the_model_refuses_are_named_by_line_and_no_file_is_left(
    service: Any, tmp_path: Any, capsys: Any
) -> None:
    source, target = tmp_path / "houses.csv", tmp_path / "prices.csv"
    lines = ["80,paved,1"] * 40 + [""] + ["80,paved,1", "none such,paved,1", "?,paved,1"]
    source.write_text(as_text(tuple(lines), ","))
    command = ["predict", str(source), "--url", service.url, "--model", "houses", "--output", str(target)]
    assert cli.main([*command, "--batch", "20"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"{source}, line 44: 'area': expected a number, found a string"
    assert said[1].startswith(f"{source}, line 45: 'area' has no value")
    assert list(tmp_path.iterdir()) == [source]
    assert cli.main([*command[:-1], str(tmp_path / "nowhere" / "prices.csv"), "--missing", "none such"]) == 2
    assert "nowhere/prices.csv cannot be written: No such file" in capsys.readouterr().err


def test_the_command_keeps_columns_beside_the_answers(service: Any, tmp_path: Any, capsys: Any) -> None:
    source = tmp_path / "houses.csv"
    source.write_text('key,area,street,roof\n"a,1",80,paved,1\nb,90,paved,1\n')
    command = ["predict", str(source), "--url", service.url, "--model", "houses", "--batch", "1", "--keep"]
    assert cli.main([*command, "key"]) == 0
    found = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert [row[0] for row in found] == ["key", "a,1", "b"]
    assert cli.main([*command, "kye"]) == 2
    assert "there is no column 'kye'; did you mean 'key'?" in capsys.readouterr().err


def test_the_command_says_what_the_service_says(service: Any, tmp_path: Any, capsys: Any) -> None:
    source = tmp_path / "houses.csv"
    source.write_text("area,street,roof\n80,canal,1\n")
    assert cli.main(["predict", str(source), "--url", service.url, "--model", "houses"]) == 1
    said = capsys.readouterr().err
    assert said == f"{source}, line 2: 'street': 'canal' is not a known category\n"
    assert cli.main(["predict", str(tmp_path / "none.csv"), "--url", service.url]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_the_help_teaches_and_lists_the_settings(capsys: Any) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert left.value.code == 0
    for part in ("python -m service serve", "python -m service predict", "GANGLION_MODELS", "GANGLION_MAX_BODY_BYTES"):
        assert part in text
    listed = [line.split(None, 1) for line in text.splitlines() if line.startswith("  GANGLION_")]
    assert {name for name, _ in listed} == {f"GANGLION_{name.upper()}" for name in Settings.model_fields}
    assert not [line for line in listed if line[1].endswith(("[None]", "[()]"))]
    with pytest.raises(SystemExit):
        cli.main(["serve", "--help"])
    assert "python -m service --help" in capsys.readouterr().out
