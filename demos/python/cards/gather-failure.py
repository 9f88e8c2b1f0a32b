# After a failure gather lets the others run on; a TaskGroup cancels them.
import asyncio

async def main():
    async def fails():
        raise ValueError

    async def goes_on(ends):
        try:
            await asyncio.sleep(0.01)
            ends.append("done")
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    gathered, grouped = [], []
    other = asyncio.create_task(goes_on(gathered))
    try:
        await asyncio.gather(fails(), other)
        raise AssertionError
    except ValueError:
        assert not other.done()
    await other
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(goes_on(grouped))
            group.create_task(fails())
        raise AssertionError
    except* ValueError:
        pass
    assert gathered == ["done"] and grouped == ["cancelled"]

asyncio.run(main())
