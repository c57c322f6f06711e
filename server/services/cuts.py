"""What goes on when its call is cut."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Do `work` to its end, also when the call is cut meanwhile; only then the call ends.

    For work that goes on anyway, on a thread or in the journal: what comes after it must know what
    came of it.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise
