"""The fetches in Python, one function a mode, as close to those in Rust as the two languages allow.

Each request has a connection of its own, follows no redirect and uses no proxy. A reply is a pair: the status or None, and
what went wrong or None.
"""

import asyncio
import socket
import ssl
import urllib.parse
import urllib.request

MODE, LIMIT = JOB["mode"], JOB["limit"]
# The certificates that the clients in Rust trust, if the user names them. The standard library reads the variable, too.
TRUSTED = os.environ.get("SSL_CERT_FILE", True)


def library(name):
    """Imports the module of this name, if the machine has it."""
    try:
        return __import__(name)
    except ImportError:
        return None


# Only the library that the mode needs is imported: an import takes longer than the start of the interpreter.
aiohttp = library("aiohttp") if MODE == "async" else None
requests = library("requests") if MODE != "async" else None


class AsItIs(urllib.request.HTTPErrorProcessor):
    """Hands every answer on, whatever its status is."""

    def http_response(self, request, response):
        return response

    https_response = http_response


def status_of(url):
    if requests:
        with requests.Session() as session:
            session.trust_env, session.verify = False, TRUSTED
            return session.get(url, timeout=LIMIT, allow_redirects=False).status_code
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), AsItIs)
    with opener.open(url, timeout=LIMIT) as response:
        response.read()
        return response.status


async def status_by_hand(url):
    """Speaks HTTP over the streams of asyncio, because the standard library has no client for them."""
    target = urllib.parse.urlsplit(url)
    secure = target.scheme == "https"
    port = target.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(target.hostname, port, ssl=secure or None)
    try:
        path = urllib.parse.urlunsplit(("", "", target.path or "/", target.query, ""))
        host = target.netloc.rpartition("@")[2]
        writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
        head = (await reader.read()).split(b" ", 2)
        if len(head) < 2:
            raise ConnectionResetError("the server hung up before it had answered")
        return int(head[1])
    finally:
        writer.close()


async def status_by_aiohttp(session, url):
    async with session.get(url, allow_redirects=False) as response:
        await response.read()
        return response.status


def fetch(url):
    try:
        return status_of(url), None
    except Exception as error:
        return None, failure(error)


async def fetch_as_task(session, url):
    try:
        # A coroutine that gives its thread back while it waits.
        request = status_by_aiohttp(session, url) if session else status_by_hand(url)
        reply = await asyncio.wait_for(request, LIMIT), None
    except Exception as error:
        reply = None, failure(error)
    tell("tick")
    return reply


async def in_tasks(urls):
    tell("ready")
    replies, session = [], None
    if aiohttp:
        # There is no limit but ours, and each request has a connection of its own.
        context = ssl.create_default_context()
        connector = aiohttp.TCPConnector(limit=0, force_close=True, ssl=context)
        session = aiohttp.ClientSession(connector=connector)
    for first in range(0, len(urls), JOB["at_once"]):
        wave = urls[first : first + JOB["at_once"]]
        replies += await asyncio.gather(*(fetch_as_task(session, url) for url in wave))
    if session:
        await session.close()
    return replies, "threads", 1


def failure(error):
    """Describes an error in the words of brigade's JSON."""
    kind, link = "io", error
    while isinstance(link, BaseException) and kind == "io":
        kind = kind_of(link)
        reason = getattr(link, "reason", None)
        link = reason if isinstance(reason, BaseException) else link.__cause__ or link.__context__
    message = f"no answer within {LIMIT:g} s" if kind == "timeout" else str(error) or type(error).__name__
    return {"kind": kind, "message": message}


def kind_of(error):
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        return "timeout"
    kinds = {socket.gaierror: "resolve", ConnectionRefusedError: "refused", ConnectionError: "reset", ssl.SSLError: "tls"}
    return next((name for kind, name in kinds.items() if isinstance(error, kind)), "io")


RUN = {
    "sync": lambda: in_sequence(fetch, JOB["urls"]),
    "threads": lambda: in_threads(fetch, JOB["urls"]),
    "async": lambda: asyncio.run(in_tasks(JOB["urls"])),
    "processes": lambda: in_processes(fetch, JOB["urls"]),
}
USED = aiohttp or requests
answer(RUN[MODE], USED.__name__ if USED else "asyncio" if MODE == "async" else "urllib")
