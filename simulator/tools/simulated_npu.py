"""Programs on the simulated CANN runtime, without setting anything before.

eval "$(python simulator/tools/simulated_npu.py env)"
python simulator/tools/simulated_npu.py run python train.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from ascsim_runtime.__main__ import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
