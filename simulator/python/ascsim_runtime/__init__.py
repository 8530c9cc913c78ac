"""The simulated CANN runtime seen from Python: loading it, counters, reports, launches.

import ascsim_runtime
ascsim_runtime.activate()  # before torch; or start the program with `python -m ascsim_runtime run`
import torch

with ascsim_runtime.counting() as done:
    model(x.to("npu"))
assert done["stream_synchronisations"] == 0
"""

from __future__ import annotations

from ._calls import (
    AclError,
    check_guards,
    check_leaks,
    clear_reports,
    counters,
    counting,
    launch,
    reports,
)
from ._library import activate, environment, libraries

__all__ = [
    "AclError",
    "activate",
    "check_guards",
    "check_leaks",
    "clear_reports",
    "counters",
    "counting",
    "environment",
    "launch",
    "libraries",
    "reports",
]
