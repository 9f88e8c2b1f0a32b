# A call of an async function runs nothing of it.
import asyncio

ran = []

async def f():
    ran.append("f")
    return 42

coroutine = f()
assert asyncio.iscoroutine(coroutine) and ran == []
assert asyncio.run(coroutine) == 42 and ran == ["f"]
