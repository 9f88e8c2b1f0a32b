# wait_for cancels what it waited for, and raises TimeoutError.
import asyncio

ends = []

async def slow():
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        ends.append("cancelled")
        raise

async def main():
    try:
        await asyncio.wait_for(slow(), timeout=0.01)
        raise AssertionError
    except TimeoutError:
        assert ends == ["cancelled"]

asyncio.run(main())
