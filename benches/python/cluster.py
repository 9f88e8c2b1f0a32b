"""Peers of the process pool on a cluster: Dask on Slurm, and mpi4py.futures.

    python3 cluster.py dask         needs dask-jobqueue, and a Slurm by SLURM_CONF
    mpirun -n 5 python3 -m mpi4py.futures cluster.py mpi

Four workers. It prints the seconds until each has answered, for a call and its answer, and for a call of
10,000 that are made at once.
"""

import os
import sys
import time

WORKERS = 4
ALONE = 500
FLOOD = 10_000


def same(n):
    return n


def process(_):
    time.sleep(0.01)
    return os.uname().nodename, os.getpid()


def measure(name, begin, submit, result, results):
    """Prints one row of docs/cluster.md."""
    heard = set()
    while len(heard) < WORKERS:
        heard |= {result(call) for call in [submit(process, n) for n in range(WORKERS)]}
    start = time.perf_counter() - begin
    begin = time.perf_counter()
    for n in range(ALONE):
        assert result(submit(same, n)) == n
    alone = (time.perf_counter() - begin) / ALONE
    begin = time.perf_counter()
    calls = [submit(same, n) for n in range(FLOOD)]
    assert results(calls) == list(range(FLOOD))
    flood = (time.perf_counter() - begin) / FLOOD
    print(f"| {name} | {start:.2f} s | {alone * 1e6:.0f} µs | {flood * 1e6:.0f} µs |")


def dask():
    from dask.distributed import Client
    from dask_jobqueue import SLURMCluster

    begin = time.perf_counter()
    cluster = SLURMCluster(
        cores=1, memory="300MB", processes=1, walltime="00:10:00", interface="lo", python=sys.executable
    )
    cluster.scale(jobs=WORKERS)
    with Client(cluster) as client:
        client.wait_for_workers(WORKERS)
        # Dask remembers a pure function's results by its arguments.
        submit = lambda function, n: client.submit(function, n, pure=False)
        measure("Dask (`dask-jobqueue`)", begin, submit, lambda call: call.result(), client.gather)
    cluster.close()


def mpi():
    from mpi4py.futures import MPIPoolExecutor

    begin = time.perf_counter()
    with MPIPoolExecutor(max_workers=WORKERS) as pool:
        measure("`mpi4py.futures`", begin, pool.submit, lambda call: call.result(), lambda calls: [call.result() for call in calls])


if __name__ == "__main__":
    {"dask": dask, "mpi": mpi}[sys.argv[1]]()
