"""What a process does with memory that it is done with: glibc gives it back too late here, and too soon there."""

import ctypes
from collections.abc import Callable

__all__ = ["give_back", "keep_for_the_next"]

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # as malloc.h numbers them
LARGEST_KEPT_BYTES = 2**23
MOST_KEPT_BYTES = 2**24


def give_back() -> None:
    """Return to the system what reading models has left free in the heap: glibc would keep it, in every worker."""
    trim = _from_libc("malloc_trim")
    if trim is not None:
        trim(0)


def keep_for_the_next() -> None:
    """Keep up to 16 MiB of what is free at the end of each heap, blocks of up to 8 MiB among it, for later requests.

    A heap is that of the process or of a thread. By itself glibc maps and unmaps large blocks, or gives them back at
    once: a tenth to a fifth of the time of a request of megabytes went to pages that were taken from the system anew.
    """
    set_option = _from_libc("mallopt")
    if set_option is not None:
        set_option(MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
        set_option(TRIM_THRESHOLD, MOST_KEPT_BYTES)


def _from_libc(name: str) -> Callable[..., int] | None:
    """Return a function of the C library, None where it is not glibc's."""
    return getattr(ctypes.CDLL(None), name, None)
