"""A peer that `compare` runs by turns with Brigade: one line in, one line out.

A request is "BENCH ITERATIONS". The answer is "OPERATIONS WALL CPU EXTRA…", with times in nanoseconds. The peer lives
until its input ends, so that what it measures is warm.
"""

import os
import resource
import sys
import time


def cpu():
    """The CPU time of this process, of its children that have ended, and of those that live, in nanoseconds."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = time.process_time_ns() + int((ended.ru_utime + ended.ru_stime) * 1e9)
    for pid in children():
        try:
            # This is how Linux names the CPU clock of another process. The library has no clock_getcpuclockid.
            total += time.clock_gettime_ns((~pid << 3) | 2)
        except OSError:
            pass
    return total


def children():
    """The living children of this process."""
    pids = []
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/children") as children:
                pids += map(int, children.read().split())
        except OSError:
            pass
    return pids


def timed(operations, work):
    """Makes a bench. `work(iterations)` does `operations` that many times."""

    def bench(iterations):
        before, start = cpu(), time.perf_counter_ns()
        work(iterations)
        wall = time.perf_counter_ns() - start
        time.sleep(0.001)
        return operations * iterations, wall, cpu() - before

    return bench


def serve(benches):
    """Answers requests. `benches` maps a name to a function that makes the bench, which is called at the first request."""
    answers = os.fdopen(os.dup(1), "w")
    # The output of the work must not come between the answers.
    os.dup2(2, 1)
    made = {}
    for line in sys.stdin:
        name, iterations = line.split()
        if name not in made:
            made[name] = benches[name]()
        print(*made[name](int(iterations)), file=answers, flush=True)
