# An async generator runs only when it is asked for a value, and inside the task that asks.
import asyncio

log = []

async def countdown():
    for i in (2, 1):
        log.append((f"yields {i}", asyncio.current_task()))
        yield i

async def main():
    numbers = countdown()
    assert log == []
    async for number in numbers:
        log.append((f"got {number}", asyncio.current_task()))
    assert [entry for entry, _ in log] == ["yields 2", "got 2", "yields 1", "got 1"]
    assert {task for _, task in log} == {asyncio.current_task()}

asyncio.run(main())
