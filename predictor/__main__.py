"""The command ``python -m predictor``."""

import io
import os
import sys

from predictor.cli import main

INTERRUPTED = 130  # as a shell says it


def run() -> int:
    """Run the command on a terminal or pipe that may not know every character, may close early, or may interrupt."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as head, has had enough
        # Python flushes once more at its end, and would complain of the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


if __name__ == "__main__":
    sys.exit(run())
