# gather returns the results in the order of its arguments, whichever came first.
import asyncio

ended = []

async def work(name, turns):
    for _ in range(turns):
        await asyncio.sleep(0)
    ended.append(name)
    return name

async def main():
    return await asyncio.gather(work("slow", 5), work("quick", 1))

assert asyncio.run(main()) == ["slow", "quick"] and ended == ["quick", "slow"]
