"""``python -m training``."""

import os
import sys

if __name__ == "__main__":
    # Before NumPy is loaded. One thread: the networks here are small, threads only wait for one another, and the
    # number of threads changes the last bits of a product and with them the bytes of a model.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from training.cli import main

        sys.exit(main())
    except KeyboardInterrupt:  # while modules are loaded, before the command itself takes care of it
        sys.exit(130)
