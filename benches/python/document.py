"""Peer of the group `demos`: the document's own programs, with the URL and n as arguments.

If `requests` or `aiohttp` is missing, the standard library stands in: `urllib`, and HTTP by hand over asyncio.
"""

import asyncio
import sys
import threading
import time
import urllib.request
from multiprocessing import Pool

import peer

try:
    import requests
except ImportError:
    requests = None
try:
    import aiohttp
except ImportError:
    aiohttp = None

TASKS = 5
URL, N = sys.argv[1], int(sys.argv[2])


def get(url):
    if requests:
        return requests.get(url).status_code
    with urllib.request.urlopen(url) as response:
        response.read()
        return response.status


async def get_async(session, url):
    if session:
        async with session.get(url) as response:
            return response.status
    host, path = url.removeprefix("http://").split("/", 1)
    host, port = host.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    response = await reader.read()
    writer.close()
    return int(response.split(b" ", 2)[1])


def compute(n):
    return sum(i * i for i in range(n))


def in_threads(function, argument):
    """Does as the document: a thread for each task. The document drops the results; here they are collected."""
    results = []
    threads = [threading.Thread(target=lambda: results.append(function(argument))) for _ in range(TASKS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def in_processes(function, argument):
    with Pool(TASKS) as pool:
        return pool.map(function, [argument] * TASKS)


def in_sequence(function, argument):
    return [function(argument) for _ in range(TASKS)]


async def gather():
    if not aiohttp:
        return await asyncio.gather(*(get_async(None, URL) for _ in range(TASKS)))
    async with aiohttp.ClientSession() as session:
        return await asyncio.gather(*(get_async(session, URL) for _ in range(TASKS)))


def io(run):
    return bench(run, 200)


def cpu(run):
    return bench(run, (N - 1) * N * (2 * N - 1) // 6)


def bench(run, expected):
    def work(iterations):
        for _ in range(iterations):
            results = run()
            assert results == [expected] * TASKS, results

    return lambda: peer.timed(1, work)


if __name__ == "__main__":
    peer.serve(
        {
            "io_sync": io(lambda: in_sequence(get, URL)),
            "io_threads": io(lambda: in_threads(get, URL)),
            "io_async": io(lambda: asyncio.run(gather())),
            "io_processes": io(lambda: in_processes(get, URL)),
            "cpu_sync": cpu(lambda: in_sequence(compute, N)),
            "cpu_threads": cpu(lambda: in_threads(compute, N)),
            "cpu_processes": cpu(lambda: in_processes(compute, N)),
        }
    )
