"""Peer of the group `process`: CPython's process pools."""

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor

import peer

WORKERS = os.cpu_count() or 1
LARGE = 64 << 20
CALLS = 2000
MAPPED = 200_000


def same(n):
    return n


def size(data):
    return len(data)


def zeroes(count):
    return bytes(count)


def start(method):
    """Starts a pool and gets a result from each worker. The end of the pool is not timed, but its CPU time counts."""
    context = multiprocessing.get_context(method)

    def bench(iterations):
        before, wall = peer.cpu(), 0
        for _ in range(iterations):
            begin = time.perf_counter_ns()
            pool = context.Pool(WORKERS)
            assert pool.map(same, range(WORKERS), chunksize=1) == list(range(WORKERS))
            wall += time.perf_counter_ns() - begin
            pool.close()
            pool.join()
        return iterations, wall, peer.cpu() - before

    return lambda: bench


def calls():
    """Pool, one call in each message."""
    pool = multiprocessing.Pool(WORKERS)

    def work(iterations):
        for _ in range(iterations):
            assert len(pool.map(same, range(CALLS), chunksize=1)) == CALLS

    return peer.timed(CALLS, work)


def map_chunked():
    """Pool, in chunks that the pool chooses."""
    pool = multiprocessing.Pool(WORKERS)

    def work(iterations):
        for _ in range(iterations):
            assert len(pool.map(same, range(MAPPED))) == MAPPED

    return peer.timed(MAPPED, work)


def imap():
    """Pool, lazily, one call in each message."""
    pool = multiprocessing.Pool(WORKERS)

    def work(iterations):
        for _ in range(iterations):
            assert sum(1 for _ in pool.imap(same, range(CALLS))) == CALLS

    return peer.timed(CALLS, work)


def executor_calls():
    """ProcessPoolExecutor, one call in each message."""
    executor = ProcessPoolExecutor(WORKERS)

    def work(iterations):
        for _ in range(iterations):
            assert len(list(executor.map(same, range(CALLS), chunksize=1))) == CALLS

    return peer.timed(CALLS, work)


def round_trip():
    """One call to a worker that has been idle for a millisecond. The pauses are not timed."""
    pool = multiprocessing.Pool(WORKERS)

    def bench(iterations):
        before, wall = peer.cpu(), 0
        for _ in range(iterations):
            time.sleep(0.001)
            begin = time.perf_counter_ns()
            assert pool.apply(same, (1,)) == 1
            wall += time.perf_counter_ns() - begin
        return iterations, wall, peer.cpu() - before

    return bench


def argument():
    """64 MiB to a worker."""
    pool, data = multiprocessing.Pool(WORKERS), bytes(LARGE)

    def work(iterations):
        for _ in range(iterations):
            assert pool.apply(size, (data,)) == LARGE

    return peer.timed(1, work)


def result():
    """64 MiB from a worker."""
    pool = multiprocessing.Pool(WORKERS)

    def work(iterations):
        for _ in range(iterations):
            assert len(pool.apply(zeroes, (LARGE,))) == LARGE

    return peer.timed(1, work)


def values():
    """A megabyte of each kind."""
    import array

    doubles = array.array("d", range(1 << 17))
    pixels = bytes(n & 255 for n in range(1 << 20))
    return {
        "bytes": pixels,
        "doubles": doubles,
        "text": "a line of words\n" * (1 << 16),
        "image": ("a picture", 1024, pixels[: 1 << 19], doubles[: 1 << 16]),
        "fewer_bytes": bytes(64 << 10),
        "more_bytes": bytes(16 << 20),
    }


def echo(kind):
    """A value to a worker and back. A copy is made for each call, as in the other side's."""

    def bench():
        pool, value = multiprocessing.Pool(WORKERS), values()[kind]

        def work(iterations):
            for _ in range(iterations):
                assert pool.apply(same, (value,)) == value

        return peer.timed(1, work)

    return bench


def loky_echo(kind):
    """The same with loky, where it is installed."""

    def bench():
        import loky

        executor, value = loky.get_reusable_executor(max_workers=WORKERS), values()[kind]

        def work(iterations):
            for _ in range(iterations):
                assert executor.submit(same, value).result() == value

        work(2)
        return peer.timed(1, work)

    return bench


def memory():
    """The proportional share of memory of an idle worker, in bytes."""
    pool = multiprocessing.Pool(WORKERS)
    pool.map(same, range(WORKERS), chunksize=1)

    def proportional(pid):
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            return sum(int(line.split()[1]) << 10 for line in rollup if line.startswith("Pss:"))

    def bench(_):
        shares = [proportional(worker.pid) for worker in pool._pool]
        return 1, 0, 0, sum(shares) / len(shares)

    return bench


if __name__ == "__main__":
    peer.serve(
        {
            "start_fork": start("fork"),
            "start_spawn": start("spawn"),
            "calls": calls,
            "map": map_chunked,
            "imap": imap,
            "executor_calls": executor_calls,
            "round_trip": round_trip,
            "argument": argument,
            "result": result,
            "memory": memory,
            **{kind: echo(kind) for kind in values()},
            **{f"loky_{kind}": loky_echo(kind) for kind in values()},
        }
    )
