"""1,024 rows a request in every form that the service reads, in one interleaved run: rows a second by form.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.bulk [--seconds 3] [--rounds 3] [--features 784]

One service on two workers serves an 8-64-64-3 and a 784-512-512-10 network and is asked by `wrk` over 4 connections.
A form answers in kind: JSON for JSON, bytes for bytes. All hold the same float32 numbers, except the JSON of six digits
and that of pixels. The first is what `requests.post(url, json={"instances": X.tolist()})` sends; ratios are to it in
the same round: more rows a second, and less processor time of the server. The line of the products is the processor
time of the matrix products of a request alone: what a form would cost that took nothing else.

A second table has npy and the binary form of v2 beside each way to write JSON, with the ratio that the products bound.
"""

import argparse
import io
import itertools
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.serve import ROOT, Contestant, cpu_s, environment, free_port
from network import MLP, Architecture, Layer, Parameters
from predictor import ClassOutputs, FolderRepository, Golden, NumericFeature, Predictor, Schema, save_bytes

ROWS = 1024
CONNECTIONS = 4
PRODUCTS = 50
SHAPES = ((8, 64, 64, 3), (784, 512, 512, 10))
BINARY = ("npy", "v2, binary")
PRODUCTS_ALONE = "the products alone"
SIDE = 28
NPY = "application/x-npy"
ARROW = "application/vnd.apache.arrow.stream"


class Form(NamedTuple):
    """One way to send the rows: its name, path, headers and body."""

    name: str
    path: str
    headers: dict[str, str]
    body: bytes


def main() -> int:
    """Measure and print a Markdown table; return 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=3, help="length of one measurement [%(default)s]")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each form, in turn [%(default)s]")
    parser.add_argument(
        "--features", type=int, choices=[sizes[0] for sizes in SHAPES], help="one of the two networks [both]"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as text, serving(Path(text)) as server:
        chosen = [sizes for sizes in SHAPES if options.features in (None, sizes[0])]
        found = [Measured(server, sizes, options.rounds, options.seconds) for sizes in chosen]
    print("| features | form | bytes | rows a second | ratio | server CPU a request, ms | ratio |")
    print("|---:|---|---:|---:|---:|---:|---:|", *(line for one in found for line in one.lines()), sep="\n")
    print("\n| features | beside | npy, rows | v2, rows | npy, CPU | v2, CPU | the products alone, CPU |")
    print("|---:|---|---:|---:|---:|---:|---:|", *(line for one in found for line in one.ratios()), sep="\n")
    return 0


class Measured:
    """What one network's forms did: rows a second and milliseconds of processor time a request, for each round."""

    def __init__(self, server: Contestant, sizes: tuple[int, ...], rounds: int, seconds: int) -> None:
        self.features = sizes[0]
        self.forms = list(forms(sizes))
        self.rates: dict[str, list[float]] = {form.name: [] for form in self.forms}
        self.costs: dict[str, list[float]] = {form.name: [] for form in self.forms}
        self.costs[PRODUCTS_ALONE] = []
        for form in self.forms:
            drive(server.port, form, 1)
        for _ in range(rounds):
            for form in self.forms:
                before = cpu_s(server.processes())
                requests, took_s = drive(server.port, form, seconds)
                self.rates[form.name].append(requests * ROWS / took_s)
                self.costs[form.name].append((cpu_s(server.processes()) - before) / requests * 1e3)
            self.costs[PRODUCTS_ALONE].append(products_ms(sizes))

    def lines(self) -> Iterator[str]:
        """Yield a line of the first table for each form, and one for the products."""
        base = self.forms[0].name
        for form in self.forms:
            name, size = form.name, len(form.body)
            rate, cost = statistics.median(self.rates[name]), statistics.median(self.costs[name])
            faster, cheaper = self.faster(name, base), self.cheaper(name, base)
            yield f"| {self.features} | {name} | {size:,} | {rate:,.0f} | {faster:.2f} | {cost:.2f} | {cheaper:.2f} |"
        bound = statistics.median(self.costs[PRODUCTS_ALONE])
        ratio = self.cheaper(PRODUCTS_ALONE, base)
        yield f"| {self.features} | {PRODUCTS_ALONE} | - | - | - | {bound:.2f} | {ratio:.2f} |"

    def ratios(self) -> Iterator[str]:
        """Yield a line of the second table for each way to write JSON."""
        for name in (form.name for form in self.forms if form.name.startswith("JSON")):
            faster = " | ".join(f"{self.faster(binary, name):.2f}" for binary in BINARY)
            cheaper = " | ".join(f"{self.cheaper(binary, name):.2f}" for binary in (*BINARY, PRODUCTS_ALONE))
            yield f"| {self.features} | {name} | {faster} | {cheaper} |"

    def faster(self, form: str, than: str) -> float:
        """Return how many times as many rows a second, of the median round."""
        return statistics.median(a / b for a, b in zip(self.rates[form], self.rates[than], strict=True))

    def cheaper(self, form: str, than: str) -> float:
        """Return how many times as much processor time the other costs, of the median round."""
        return statistics.median(b / a for a, b in zip(self.costs[form], self.costs[than], strict=True))


def products_ms(sizes: tuple[int, ...]) -> float:
    """Return the processor time that the matrix products of a request take alone, in milliseconds."""
    rng = np.random.default_rng(2)
    layers = [
        (rng.random((ROWS, inner), np.float32), rng.random((inner, units), np.float32), np.empty((ROWS, units), "f4"))
        for inner, units in itertools.pairwise(sizes)
    ]
    taken = []
    for _ in range(PRODUCTS):
        began = time.process_time()
        for A, W, out in layers:
            np.matmul(A, W, out=out)
        taken.append(time.process_time() - began)
    return statistics.median(taken) * 1e3


def forms(sizes: tuple[int, ...]) -> Iterator[Form]:
    """Yield the rows in every form, and where they may be images also those."""
    X = np.random.default_rng(1).uniform(0, 1, (ROWS, sizes[0])).astype(np.float32)
    shortest = [[float(text) for text in row] for row in X.astype(str)]
    name = f"m{sizes[0]}"
    native = f"/models/{name}/predict"
    yield json_form("JSON, as tolist() gives it", native, X.tolist())
    yield json_form("JSON, shortest digits of float32", native, shortest)
    yield json_form("JSON, rounded to six digits", native, [[round(value, 6) for value in row] for row in shortest])
    yield npy_form("npy", native, X)
    tensor = {"name": "input", "shape": X.shape, "datatype": "FP32", "parameters": {"binary_data_size": X.nbytes}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    yield Form("v2, binary", f"/v2/models/{name}/infer", length, head + X.tobytes())
    table = pa.table({f"x{i}": X[:, i] for i in range(sizes[0])})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    yield Form("Arrow stream", native, {"Content-Type": ARROW, "Accept": ARROW}, sink.getvalue())
    text = "\n".join(",".join(map(str, row)) for row in shortest).encode()
    yield Form("CSV, shortest digits", native, {"Content-Type": "text/csv", "Accept": "text/csv"}, text)
    if sizes[0] == SIDE**2:
        images = pixels()
        yield json_form("JSON, pixels / 255, as tolist() gives it", native, (images / np.float32(255)).tolist())
        yield json_form("JSON, pixels as whole numbers", native, images.tolist())
        yield npy_form("npy, pixels in bytes", native, images)


def json_form(name: str, path: str, rows: list[list[float]]) -> Form:
    """Write rows as `requests.post(url, json=...)` does."""
    return Form(name, path, {"Content-Type": "application/json"}, json.dumps({"instances": rows}).encode())


def npy_form(name: str, path: str, rows: np.ndarray[Any, Any]) -> Form:
    """Write rows as `np.save` does."""
    file = io.BytesIO()
    np.save(file, rows)
    return Form(name, path, {"Content-Type": NPY, "Accept": NPY}, file.getvalue())


def pixels() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Draw what has the zeros of MNIST's digits, 81 % in long runs: (ROWS, SIDE squared) bytes."""
    rng = np.random.default_rng(1)
    images = np.zeros((ROWS, SIDE, SIDE), np.uint8)
    columns = np.arange(SIDE)
    for line in range(4, 24):
        start, length = rng.integers(4, 17, (ROWS, 1)), rng.integers(4, 12, (ROWS, 1))
        is_inked = (columns >= start) & (columns < start + length)
        images[:, line][is_inked] = rng.integers(1, 256, np.count_nonzero(is_inked))
    return images.reshape(ROWS, -1)


def drive(port: int, form: Form, seconds: int) -> tuple[int, float]:
    """Ask over and over; return how many requests were answered, and the time taken."""
    with tempfile.NamedTemporaryFile(suffix=".body") as body, tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        body.write(form.body)
        body.flush()
        lines = [f"wrk.headers['{key}']='{value}'" for key, value in form.headers.items()]
        script.write("\n".join(["wrk.method='POST'", f"wrk.body=io.open('{body.name}', 'rb'):read('*a')", *lines]))
        script.flush()
        url = f"http://127.0.0.1:{port}{form.path}"
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "20s", "-s", script.name, url]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"(\d+) requests in ([\d.]+)s", text)
    if found is None or "Non-2xx" in text:
        raise RuntimeError(f"not every answer to {form.name} was right:\n{text}")
    return int(found[1]), float(found[2])


@contextmanager
def serving(folder: Path) -> Iterator[Contestant]:
    """Serve both networks."""
    repository = FolderRepository(folder)
    for sizes in SHAPES:
        name = f"m{sizes[0]}"
        repository.promote(name, repository.publish(name, {"model.npz": save_bytes(predictor_of(sizes))}))
    port = free_port()
    command = [sys.executable, "-m", "service", "serve", "--models", str(folder), "--bind", f"127.0.0.1:{port}"]
    given = environment() | {"GANGLION_MAX_BODY_BYTES": str(2**25), "GANGLION_LOG_LEVEL": "warning"}
    # The largest bodies of JSON wait long on a machine with other work, and none is to be refused here, not even beside
    # those that the measurement before has left behind.
    given |= {"GANGLION_MAX_WAIT_S": "30", "GANGLION_DEADLINE_S": "60", "GANGLION_MAX_ROWS_WAITING": "1000000"}
    process = subprocess.Popen(command, cwd=ROOT, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        if process.stderr is None or b"Serving" not in process.stderr.readline():
            raise RuntimeError("the service did not start")
        time.sleep(1)
        yield Contestant("ganglion", command, port, folder, process)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def predictor_of(sizes: tuple[int, ...]) -> Predictor:
    """Return a classifier of these layers with random weights."""
    rng = np.random.default_rng(7)
    layers = tuple(Layer(units, "relu" if i < len(sizes) - 2 else "softmax") for i, units in enumerate(sizes[1:]))
    architecture = Architecture(sizes[0], layers)
    arrays: dict[str, Any] = {}
    for i, shape in enumerate(itertools.pairwise(sizes)):
        arrays |= {f"layers.{i}.W": rng.normal(0, 0.05, shape).astype(np.float32)}
        arrays |= {f"layers.{i}.b": np.zeros(shape[1], np.float32)}
    network = MLP(architecture, Parameters.from_arrays(architecture, arrays))
    schema = Schema(tuple(NumericFeature(f"x{i}", offset=0.5, scale=0.3, low=0.0, high=255.0) for i in range(sizes[0])))
    row = (0.5,) * sizes[0]
    golden = Golden((row,), network.infer(schema.encode_rows([list(row)]).X))
    labels = tuple(f"c{i}" for i in range(sizes[-1]))
    lineage = {"data": "0" * 64, "revision": None, "seed": 7}
    return Predictor(schema, network, ClassOutputs(labels, "y"), golden, {}, {}, lineage)


if __name__ == "__main__":
    sys.exit(main())
