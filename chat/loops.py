"""How an asyncio loop is turned in a thread of ours, and how what runs on it comes to its end."""

from __future__ import annotations

import asyncio
import logging

log = logging.getLogger("chat.loops")


def turn(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped.

    What asyncio lets through, such as `SystemExit`, ends one task; it must not end everybody's.
    """
    while True:
        try:
            return loop.run_forever()
        except BaseException:
            log.critical("the loop of the replies was thrown out, and goes on", exc_info=True)


async def wait_for_the_rest(seconds: float) -> None:
    if rest := _rest():
        await asyncio.wait(rest, timeout=seconds)


async def cancel_the_rest() -> None:
    rest = _rest()
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


def _rest() -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
