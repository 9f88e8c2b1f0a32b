# As printed: a NameError, because asyncio is not imported.
import asyncio  # ours: the document leaves it out

async def hello():
    print("Hello Async")

asyncio.run(hello())
