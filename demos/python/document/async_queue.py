# As printed: a TimeoutError, because the consumer never ends.
import asyncio

async def producer(q):
    for i in range(5):
        await q.put(i)
        print(f"Produced {i}")
        await asyncio.sleep(0.5)

async def consumer(q):
    while True:
        item = await q.get()
        print(f"Consumed {item}")
        q.task_done()

async def main():
    q = asyncio.Queue()
    await asyncio.gather(producer(q), consumer(q))

# Run it for a limited time
try:  # ours: the time limit is expected
    asyncio.run(asyncio.wait_for(main(), timeout=3))
except asyncio.TimeoutError:  # ours: so it needs no traceback
    print("The time is up")  # ours: says that it was the limit
