"""Two sums in this Python: by one thread, by two threads, and in two interpreters. Prints the seconds as JSON.

The program is handed to the interpreter as a text, with the number of terms of each sum as its argument.
"""

import json
import platform
import sys
import threading
import time

N = int(sys.argv[1])
SUM = "sum(i * i for i in range({}))".format(N)


def compute():
    return sum(i * i for i in range(N))


def seconds(work):
    """The shortest of three times, because other programs can only make it longer."""

    def once():
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return min(once() for _ in range(3))


def one_thread():
    compute()
    compute()


def at_once(*works):
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_two_interpreters():
    """The seconds, or None before Python 3.14, which has no module for interpreters."""
    try:
        from concurrent import interpreters
    except ImportError:
        return None
    both = [interpreters.create() for _ in range(2)]
    took = seconds(lambda: at_once(*(lambda each=each: each.exec(SUM) for each in both)))
    for each in both:
        each.close()
    return took


answer = {
    "version": platform.python_version(),
    # Since 3.13 a Python may run without a GIL. Earlier versions always have one, and no function that tells.
    "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
    "one_thread": seconds(one_thread),
    "two_threads": seconds(lambda: at_once(compute, compute)),
    "two_interpreters": in_two_interpreters(),
}
print(json.dumps(answer))
