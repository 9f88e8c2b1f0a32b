# As printed: a NameError, because asyncio is not imported.
import asyncio  # ours: the document leaves it out

async def countdown():
    for i in range(3, 0, -1):
        yield i
        await asyncio.sleep(1)

async def main():
    async for number in countdown():
        print(number)

asyncio.run(main())
