# asyncio.gather makes a task of each coroutine.
import asyncio

async def who():
    return asyncio.current_task()

async def main():
    first, second = await asyncio.gather(who(), who())
    assert len({first, second, asyncio.current_task()}) == 3
    # A plain await makes none.
    assert await who() is asyncio.current_task()

asyncio.run(main())
