# As printed: a NameError, because asyncio is not imported.
import asyncio

async def hello():
    print("Hello Async")

asyncio.run(hello())
