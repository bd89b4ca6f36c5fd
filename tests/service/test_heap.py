"""What a process does with memory that it has done with."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, threading
from service.heap import give_back, keep_for_the_next

def taken_anew(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        held = [bytearray(3 << 20) for _ in range(4)]
        del held
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / rounds

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 20

def work():
    taken_anew(2)
    print(taken_anew(20))

keep_for_the_next()
give_back()
least = resident()
work()
print(resident() - least)
give_back()
print(resident() - least)
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(resident() - least)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have ways of their own")
def test_memory_of_large_requests_is_kept_for_the_next_within_bounds_and_given_back_when_told_to() -> None:
    run = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True, timeout=60)
    here, kept_mib, left_mib, in_thread, kept_there_mib = map(float, run.stdout.split())
    assert max(here, in_thread) < 1000  # of the 3,072 pages that each round writes to
    assert max(kept_mib, kept_there_mib) <= 16 + 2
    assert left_mib <= 2
