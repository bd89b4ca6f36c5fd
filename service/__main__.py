"""`python -m service serve` and `python -m service predict`."""

import os
import sys

from service.cli import main

__all__: list[str] = []

INTERRUPTED = 130  # as a shell says it


def run() -> int:
    """Run the command, whose reader may close the pipe early, and whose user may end it while modules are loaded."""
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
