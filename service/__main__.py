"""`python -m service serve` and `python -m service predict`."""

import sys

from service.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
