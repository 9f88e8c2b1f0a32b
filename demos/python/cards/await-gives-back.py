# While one coroutine is suspended at an await, others run on the same thread.
import asyncio, threading

log = []

async def work(name):
    log.append((name, "before", threading.get_ident()))
    await asyncio.sleep(0)
    log.append((name, "after", threading.get_ident()))

async def main():
    await asyncio.gather(work("a"), work("b"))

asyncio.run(main())
assert [entry[:2] for entry in log] == [("a", "before"), ("b", "before"), ("a", "after"), ("b", "after")]
assert len({thread for _, _, thread in log}) == 1
