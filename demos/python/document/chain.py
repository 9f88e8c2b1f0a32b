# As printed: a NameError, because asyncio is not imported.
import asyncio  # ours: the document leaves it out

async def get_number():
    await asyncio.sleep(1)
    return 42

async def print_number():
    num = await get_number()
    print(num)

asyncio.run(print_number())
