"""Retrainings in a process of their own, to which something real happens when they come to a certain file."""

import contextlib
import fnmatch
import io
import multiprocessing
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.training.helpers import Ran
from training.cli import main

__all__ = ["Moment", "context", "everything", "staged"]

STUB = 16
"""So many bytes of a file are still written when the disk is full: what is left must not be a half."""
KILLED = -1
NEEDED = (
    "tests.training.retrain.test_resume",
    "tests.training.retrain.staging",
    "training.retrain.run",
    "training.report.page",
    "sklearn.metrics",
    "matplotlib.backends.backend_svg",
)


@dataclass(frozen=True)
class Moment:
    """When a file that matches is opened (for "r" or "w") or removed ("d") for the n-th time, `deed` is done."""

    how: str
    file: str
    deed: str
    number: int = 1


def context() -> Any:
    """Return what begins processes, and is quick about it: what they need is imported once for all."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(list(NEEDED))
    return found


def staged(words: Sequence[str | Path], moment: Moment | None = None) -> Ran:
    """Run the command line in a new process to its end, disturbed at one moment."""
    begins = context()
    ours, theirs = begins.Pipe()
    process = begins.Process(target=_child, args=(theirs, list(map(str, words)), moment))
    process.start()
    theirs.close()
    try:
        code, out, err = ours.recv()
    except EOFError:
        code, out, err = KILLED, "", ""
    process.join()
    return Ran(code, out, err)


def everything(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder with what they hold, those with a dot, too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _child(theirs: Any, words: list[str], moment: Moment | None) -> None:
    out, err = io.StringIO(), io.StringIO()
    if moment is not None:
        sys.addaudithook(_hook(moment))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)  # what comes of a signal that nobody hears is KILLED
    theirs.send((code, out.getvalue(), err.getvalue()))


def _hook(moment: Moment) -> Callable[[str, tuple[Any, ...]], None]:
    seen = 0

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        file = _file(event, arguments, moment.how)
        if file is None or not fnmatch.fnmatch(file, moment.file):
            return
        seen += 1
        if seen == moment.number:
            DEEDS[moment.deed](file)

    return look


def _file(event: str, arguments: tuple[Any, ...], how: str) -> str | None:
    """Return the file that an event of the interpreter is about, where it is of the kind that is looked for."""
    if event == "os.remove" and how == "d":
        return str(arguments[0])
    if event != "open" or not isinstance(arguments[0], str) or not isinstance(arguments[2], int):
        return None
    is_written = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
    return arguments[0] if is_written == (how == "w") else None


def _fill_disk(_file: str) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (STUB, resource.RLIM_INFINITY))


def _ask_to_end(_file: str) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _model(file: str, version: int) -> Path:
    models = next(parent for parent in Path(file).parents if parent.name == "models")
    return models / "flowers" / str(version) / "model.npz"


def _damage(file: str) -> None:
    path = _model(file, 1)
    path.write_bytes(path.read_bytes()[:-100])


def _remove(file: str) -> None:
    shutil.rmtree(_model(file, 1).parent)


DEEDS: Mapping[str, Callable[[str], None]] = {
    "the disk is full": _fill_disk,
    "SIGTERM": _ask_to_end,
    "the champion is damaged": _damage,
    "the champion is removed": _remove,
}
