"""Serves requests of different lengths together from one paged cache.

    python docs/examples/continuous_batching.py

The weights are random, so the text means nothing; the tokens are those of every request alone.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

import torch

from fa_demo.packed_gpt import PackedGPT, continue_without_cache
from fa_demo.serving import Request, Server


def main() -> int:
    """Serves, and compares with each request alone and without a cache."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=24)
    parser.add_argument("--pages", type=int, default=40)
    parser.add_argument("--page-size", type=int, default=16)
    parser.add_argument("--quick", action="store_true", help="few requests")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    model = PackedGPT().eval()
    generator = random.Random(1)
    requests = [
        Request(
            [generator.randrange(256) for _ in range(generator.randrange(1, 100))],
            generator.randrange(1, 30),
        )
        for _ in range(8 if arguments.quick else arguments.requests)
    ]
    server = Server(model, arguments.pages, arguments.page_size)
    arrivals = list(requests)
    start, steps = time.perf_counter(), 0
    while arrivals or server.waiting or server.running:
        if arrivals:  # one comes with every step
            server.submit(arrivals.pop(0))
        server.step()
        steps += 1
    seconds = time.perf_counter() - start
    tokens = sum(len(r.prompt) + r.count for r in requests)
    print(
        f"{len(requests)} requests, {tokens} tokens, {steps} steps, {tokens / seconds:.0f} tokens/s"
    )
    print(f"up to {server.largest_batch} requests and {server.most_pages} pages at once")
    alone = [continue_without_cache(model, r.prompt, r.count) for r in requests]
    same = all(r.made == expected for r, expected in zip(requests, alone, strict=True))
    print(f"tokens identical to each request alone, without a cache: {'yes' if same else 'no'}")
    print(f"pages given back: {len(server.free)} of {arguments.pages}")
    return int(not same or len(server.free) != arguments.pages)


if __name__ == "__main__":
    sys.exit(main())
