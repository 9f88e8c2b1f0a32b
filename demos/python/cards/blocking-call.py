# time.sleep in a coroutine stops every task of the loop; to_thread and asyncio.sleep do not.
import asyncio, time

def others_run_during(wait):
    ran = []

    async def other():
        ran.append("other")

    async def main():
        task = asyncio.create_task(other())
        await wait()
        seen = list(ran)
        await task
        return seen

    return asyncio.run(main()) != []

async def blocks():
    time.sleep(0.01)

async def in_thread():
    await asyncio.to_thread(time.sleep, 0.01)

async def suspends():
    await asyncio.sleep(0.01)

assert not others_run_during(blocks)
assert others_run_during(in_thread) and others_run_during(suspends)
