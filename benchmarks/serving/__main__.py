"""Measure and print Markdown: the table of contestants, what was asked for, and where our own time goes.

    python -m benchmarks.serving --environments DIR [--seconds 2] [--rounds 3] [--starts 2] [--only NAME ...]

DIR holds an environment for each peer (benchmarks/README.md has the lines). A peer without one is left out.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from benchmarks.serving import report, stages
from benchmarks.serving.contestants import OURS, REFERENCE, Contestant, contestants
from benchmarks.serving.load import CONNECTIONS, measure, measure_half
from benchmarks.serving.networks import Question, prepare, questions


def main() -> int:
    """Measure all contestants in turn; return 0."""
    options = parsed()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        prepare(folder)
        asked = questions()
        taking_part = contestants(folder, options.environments)
        chosen = [found for found in taking_part if not options.only or found.name in options.only]
        try:
            start(chosen, asked["one"], options.starts)
            measure_all(chosen, asked, options.rounds, options.seconds)
        finally:
            for contestant in chosen:
                contestant.stop()
        print("\n".join(report.lines(chosen, options)))
        print("\n".join(stages.lines(folder / "models", asked, _by_name(chosen, OURS))))
    return 0


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=Path, required=True, help="folder of the peers' environments")
    parser.add_argument("--seconds", type=int, default=2, help="length of one measurement [%(default)s]")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each server, in turn [%(default)s]")
    parser.add_argument("--starts", type=int, default=2, help="cold starts of each server, in turn [%(default)s]")
    parser.add_argument("--only", nargs="*", help="names of those that take part [all]")
    return parser.parse_args()


def start(chosen: list[Contestant], question: Question, starts: int) -> None:
    """Start every server several times, in turn, and leave out those that cannot; all run at the end."""
    for number in range(starts):
        for contestant in chosen[:]:
            try:
                contestant.stop()
                contestant.start(question)
            except RuntimeError as error:
                print(f"{contestant.name} is left out: {error}", file=sys.stderr)
                contestant.stop()
                chosen.remove(contestant)
                continue
            if number < starts - 1:
                contestant.stop()


def measure_all(chosen: list[Contestant], asked: dict[str, Question], rounds: int, seconds: int) -> None:
    """Load every server with every question, in turn; then in open loop; then look at its memory."""
    for _ in range(rounds):
        for kind in CONNECTIONS:
            for contestant in chosen:
                measure(contestant, kind, asked[kind], seconds)
        for contestant in chosen:
            measure_half(contestant, asked["one"], seconds)
        reference = _by_name(chosen, REFERENCE)
        if reference is not None:
            rate = median(reference.figures["half_rate"])
            for contestant in (found for found in chosen if found.name in (REFERENCE, OURS)):
                measure_half(contestant, asked["one"], seconds, rate)
    for contestant in chosen:
        contestant.note(pss=contestant.pss_mib())


def _by_name(chosen: list[Contestant], name: str) -> Contestant | None:
    return next((contestant for contestant in chosen if contestant.name == name), None)


if __name__ == "__main__":
    sys.exit(main())
