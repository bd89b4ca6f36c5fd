"""What was measured, as Markdown: a table of the contestants, and what was asked for beside what was seen."""

import argparse
import os
import platform
from collections.abc import Iterator
from statistics import median

import numpy as np

from benchmarks.serve import cpu_name
from benchmarks.serving.contestants import OURS, REFERENCE, Contestant

__all__ = ["lines"]

FLASK = "plain Flask view"
COLUMNS = {
    "one row, requests/s": ("one_rate", ",.0f"),
    "CPU a request, us": ("one_cpu", ",.0f"),
    "p99, ms": ("one_p99", ".2f"),
    "1,024 rows, rows/s": ("rows", ",.0f"),
    "large network, requests/s": ("large_rate", ",.0f"),
    "p99 at half of capacity, ms": ("half_p99", ".2f"),
    "PSS, MiB": ("pss", ".0f"),
    "start, s": ("start", ".2f"),
}
ASKED = (
    ("one row, 8 connections, requests/s", "one_rate", REFERENCE, 1.9),
    ("the same", "one_rate", "MLServer", 7.0),
    ("the same", "one_rate", "BentoML", 7.0),
    ("the same", "one_rate", "LitServe", 7.0),
    ("the same", "one_rate", FLASK, 4.0),
    ("the same", "one_rate", "granian + orjson + NumPy", 1.0),
    ("server CPU per one-row request", "one_cpu", REFERENCE, -0.5),
    ("1,024 rows of JSON, 4 connections, rows/s", "rows", REFERENCE, 3.0),
    ("large network, one row, 32 connections, requests/s", "large_rate", REFERENCE, 1.8),
    ("p99, 8 connections", "one_p99", REFERENCE, -0.6),
    ("p99 in open loop, each at half of its own capacity", "half_p99", REFERENCE, -0.6),
    ("p99 in open loop, both at half of the peer's capacity", "same_p99", REFERENCE, -0.6),
    ("memory, two workers (PSS)", "pss", REFERENCE, -0.55),
    ("cold start to the first right answer", "start", REFERENCE, -0.8),
)
"""Measure, figure, beside whom, and the ratio: at least, or when negative at most."""


def lines(chosen: list[Contestant], options: argparse.Namespace) -> Iterator[str]:
    """Yield the conditions and both tables."""
    yield (
        f"Python {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} cores shared by servers and "
        f"client, {cpu_name()}; {options.rounds} rounds of {options.seconds} s, {options.starts} starts, in turn; "
        f"load average {os.getloadavg()[0]:.1f} at the end."
    )
    yield ""
    for contestant in chosen:
        contestant.figures["rows"] = [rate * 1024 for rate in contestant.figures["many_rate"]]
    yield "| | " + " | ".join(COLUMNS) + " |"
    yield "|---|" + "---:|" * len(COLUMNS)
    for contestant in chosen:
        yield f"| {contestant.name} | " + " | ".join(_cell(contestant, *column) for column in COLUMNS.values()) + " |"
    yield ""
    yield "| measure | beside | asked for | seen | |"
    yield "|---|---|---:|---:|---|"
    yield from _seen({contestant.name: contestant for contestant in chosen})


def _cell(contestant: Contestant, figure: str, form: str) -> str:
    found = contestant.figures.get(figure)
    if not found or (not contestant.is_right and figure in ("rows", "large_rate")):
        return "-"
    return format(median(found), form)


def _seen(by_name: dict[str, Contestant]) -> Iterator[str]:
    for measure, figure, peer, bound in ASKED:
        if OURS not in by_name or peer not in by_name:
            yield f"| {measure} | {peer} | | not measured | |"
            continue
        pairs = zip(by_name[OURS].figures[figure], by_name[peer].figures[figure], strict=True)
        ratio = median(ours / theirs for ours, theirs in pairs)
        is_met = ratio >= bound if bound > 0 else ratio <= -bound
        asked = f"at least {bound:g}" if bound > 0 else f"at most {-bound:g}"
        yield f"| {measure} | {peer} | {asked} | {ratio:.2f} | {'met' if is_met else 'missed'} |"
