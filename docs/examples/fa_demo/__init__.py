"""The pieces of the demo: corpus, models, decoding, measuring. Used by the scripts beside it."""

import os

# Must be set before torch starts its threads. By default they spin while they wait, which on a
# machine with other work takes the cores from those they wait for.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
