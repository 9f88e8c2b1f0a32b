# join waits until task_done was called for each item; an empty queue is not enough.
import asyncio

async def main():
    q = asyncio.Queue()
    q.put_nowait("item")
    joined = asyncio.create_task(q.join())
    assert await q.get() == "item" and q.empty()
    await asyncio.sleep(0)
    assert not joined.done()
    q.task_done()
    await joined

asyncio.run(main())
