# Two awaits in a row do not overlap: the second begins after the first has ended.
import asyncio

log = []

async def work(name):
    log.append(f"{name} begins")
    await asyncio.sleep(0)
    log.append(f"{name} ends")

async def main():
    await work("a")
    await work("b")

asyncio.run(main())
assert log == ["a begins", "a ends", "b begins", "b ends"]
