"""Decodes with a sliding window: the cache stays as small as the window, however long the text.

python docs/examples/sliding_window.py
"""

from __future__ import annotations

import argparse
import sys

import torch

from fa_demo.packed_gpt import PackedGPT, continue_without_cache
from fa_demo.serving import Request, Server


def main() -> int:
    """Makes a long text with few pages, and compares with a computation without a cache."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--window", type=int, default=48)
    parser.add_argument("--tokens", type=int, default=400, help="at most 500")
    parser.add_argument("--page-size", type=int, default=16)
    parser.add_argument("--quick", action="store_true", help="a short text")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    model = PackedGPT(tokens=512).eval()
    prompt, count = list(b"one token after the other"), 100 if arguments.quick else arguments.tokens
    request = Request(prompt, count)
    window, size = arguments.window, arguments.page_size
    pages = -(-(window + 32 + 2 * size) // size)
    server = Server(model, pages, size, budget=32, window=window)
    server.submit(request)
    server.run()
    everything = -(-(len(prompt) + count) // size)
    print(f"{count} tokens, window {window}: at most {server.most_pages} pages in use")
    print(f"without a window it would be {everything} pages")
    same = request.made == continue_without_cache(model, prompt, count, window)
    print(f"tokens identical to those without a cache: {'yes' if same else 'no'}")
    other = continue_without_cache(model, prompt, count)
    print(f"and other ones than without a window: {'yes' if other != request.made else 'no'}")
    return int(not same or server.most_pages >= everything)


if __name__ == "__main__":
    sys.exit(main())
