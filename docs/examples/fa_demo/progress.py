"""Progress on stderr: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Counts steps of one job; use as a context manager.

    Args:
      label: what is being done.
      total: number of steps.
    """

    def __init__(self, label: str, total: int) -> None:
        self.label, self.total, self.done = label, total, 0
        self._bar = _make_bar(label, total)
        self._start = self._last_line = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def step(self, note: str = "") -> None:
        """One step is done; `note` is shown beside the count."""
        self.advance_to(self.done + 1, note)

    def advance_to(self, done: int, note: str = "") -> None:
        """So many steps are done."""
        before, self.done = self.done, done
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done - before)
            return
        now = time.monotonic()
        if done and now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            left = (now - self._start) / done * (self.total - done)
            print(
                f"{self.label}: {100 * done // self.total} %, about {left:.0f} s left {note}",
                file=sys.stderr,
                flush=True,
            )


def _make_bar(label: str, total: int) -> Any:
    """A tqdm bar, or None where plain lines serve better."""
    if not sys.stderr.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total, desc=label, file=sys.stderr, leave=False, dynamic_ncols=True)
