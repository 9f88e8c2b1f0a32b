# asyncio.run cancels the tasks that are left over, and waits until they have ended.
import asyncio

ends = []

async def leftover():
    try:
        await asyncio.sleep(3600)
    finally:
        ends.append("cancelled")

async def main():
    task = asyncio.create_task(leftover())
    await asyncio.sleep(0)
    return task

task = asyncio.run(main())
assert task.cancelled() and ends == ["cancelled"]
