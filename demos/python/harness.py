"""The part that both comparisons share. It stands before `io.py` or `cpu.py`, and both together are one program.

The job is one line of JSON on standard input, which stays open: when it ends, brigade is gone or wants no answer any more,
and all processes here end at once. The answers are lines on standard output: {"ready": …}, {"tick": …} for each piece of
work, {"done": …} when the last result is there, and {"end": …} with the results.
"""

import sys

# Modules are not taken from the directory in which brigade happens to run.
sys.path[:] = [place for place in sys.path if place]

import functools
import json
import multiprocessing
import os
import resource
import threading
import time
from multiprocessing.pool import ThreadPool

JOB = json.loads(sys.stdin.buffer.readline())
# A child of multiprocessing closes its standard input, but not this copy.
LIFELINE = os.dup(0)
# Fork is named here, because later versions choose another method, which needs a program that is a file.
FORK = multiprocessing.get_context("fork") if "fork" in multiprocessing.get_all_start_methods() else None


def hold_the_lifeline():
    """Ends this process, whatever it does, when the lifeline is cut. The children call this, too."""

    def wait():
        os.read(LIFELINE, 1)
        for child in multiprocessing.active_children():
            child.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


hold_the_lifeline()


# The CPU time of this process when the workers were ready, and when the last result was there.
CPU = {}


def tell(what, value=None):
    if what in ("ready", "done"):
        CPU.setdefault(what, time.process_time())
    sys.stdout.write(json.dumps({what: value}) + "\n")
    sys.stdout.flush()


def peak_bytes():
    """The most memory that this process has held."""
    try:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def counted(results):
    """Yields the results as they come, and reports each at once."""
    for result in results:
        tell("tick")
        yield result


def in_sequence(work, items):
    tell("ready")
    return list(counted(map(work, items))), "threads", 1


def in_threads(work, items):
    with ThreadPool(JOB["workers"]) as pool:
        tell("ready")
        results = list(counted(pool.imap(work, items)))
        tell("done")
    return results, "threads", JOB["workers"]


def in_processes(work, items):
    if FORK is None:
        raise OSError("this system cannot fork")
    with FORK.Pool(JOB["workers"], hold_the_lifeline) as pool:
        tell("ready")
        results = list(counted(pool.imap(functools.partial(with_cost, work), items)))
        tell("done")
        pool.close()
        pool.join()
    peak, cpu = max(peak for _, peak, _ in results), sum(cpu for _, _, cpu in results)
    return [result for result, _, _ in results], "children", JOB["workers"], peak, cpu


def with_cost(work, item):
    before = time.process_time()
    result = work(item)
    return result, peak_bytes(), time.process_time() - before


def answer(run, library):
    """Does the job. `run` returns the results, the kind of workers, their number, and of children the peak memory of one
    and the CPU time of all."""
    results, kind, workers, *of_children = run()
    tell("done")
    child_peak, child_cpu = of_children or (0, 0.0)
    end = {"results": results, "kind": kind, "workers": workers, "child_peak": child_peak, "child_cpu": child_cpu}
    end["cpu"] = CPU["done"] - CPU["ready"]
    # Since 3.13 a Python may run without a GIL. Earlier versions always have one, and no function that tells.
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    tell("end", {**end, "library": library, "peak": peak_bytes(), "gil": gil})
