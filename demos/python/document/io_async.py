# Runs as printed; it needs aiohttp, which the setup installs.
import asyncio
import aiohttp
import time

async def fetch(session, url):
    async with session.get(url) as response:
        print(response.status)

async def main():
    urls = ["https://httpbin.org/delay/1"] * 5
    async with aiohttp.ClientSession() as session:
        tasks = [fetch(session, url) for url in urls]
        await asyncio.gather(*tasks)

start = time.time()
asyncio.run(main())
print(f"Total Time: {time.time() - start:.2f} seconds")
