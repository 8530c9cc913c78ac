"""Programs on the simulated CANN runtime.

    eval "$(python -m ascsim_runtime env)"
    python -m ascsim_runtime run python train.py

`env` prints shell commands that set the environment, `run` starts a program in it. Run them with
simulator/python in PYTHONPATH, or as `python simulator/tools/simulated_npu.py`.
"""

from __future__ import annotations

import os
import shlex
import sys

from ._library import environment


def main(arguments: list[str]) -> int:
    """The command; returns an exit code unless another program takes over."""
    if arguments == ["env"]:
        for name, value in environment().items():
            print(f"export {name}={shlex.quote(value)}")
        return 0
    if len(arguments) >= 2 and arguments[0] == "run":
        os.environ.update(environment())
        os.execvp(arguments[1], arguments[1:])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
