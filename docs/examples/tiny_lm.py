"""A small causal language model, made on the spot: trained with our backward, decoded from pages.

Trains about a minute on Python's own documentation through flash_attn.flash_attn_func, then writes
text with a paged key/value cache through flash_attn_interface.flash_attn_with_kvcache, where the
kernel rotates (RoPE), appends and attends. Ends with status 1 if decoding without a cache, or the
gradient of PyTorch written out, says something else.

    python docs/examples/tiny_lm.py [--quick] [--seconds N] [--tokens N]
"""

from __future__ import annotations

import argparse
import sys
import textwrap
import time

import fa_demo  # noqa: F401 (first: it sets how torch's threads wait)

# isort: split

import torch
from tokenizers import Tokenizer

from fa_demo.causal_lm import (
    CausalLM,
    Config,
    Schedule,
    gradient_difference,
    train,
    train_tokenizer,
)
from fa_demo.corpus import load_passages
from fa_demo.decode import generate_cached, generate_uncached

PROMPTS = ("Return", "If the file does not exist,", "The first argument", "socket.")
SEED = 0
MAX_GRADIENT_DIFFERENCE = 1e-3  # relative to the largest entry of each weight's gradient, fp32


def main() -> int:
    options = parse_options()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    passages = load_passages(200 if options.quick else None)
    text = "\n".join(f"{p.title}: {' '.join(p.text.split())}" for p in passages)
    config = Config()
    tokenizer = train_tokenizer(text, config.vocab_size)
    stream = torch.tensor(tokenizer.encode(text).ids)
    model = CausalLM(config).to(options.device)
    weights = sum(p.numel() for p in model.parameters())
    print(
        f"\ncausal model: {weights / 1e6:.1f} million weights, {config.q_heads} query heads on "
        f"{config.kv_heads} key/value heads, {len(stream)} tokens to learn from"
    )
    schedule = Schedule(15) if options.quick else Schedule(options.steps, options.seconds)
    same_gradient = train_and_report(model, stream, schedule)
    steps = 24 if options.quick else options.tokens
    same_tokens = decode_and_report(model, tokenizer, steps, options.temperature)
    return 0 if same_gradient and same_tokens else 1


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a few steps, a few seconds")
    parser.add_argument("--steps", type=int, default=400, help="at most so many training steps")
    parser.add_argument("--seconds", type=float, default=60, help="at most so long a training")
    parser.add_argument("--tokens", type=int, default=96, help="tokens to write per prompt")
    parser.add_argument("--temperature", type=float, default=0.6, help="0 = always the likeliest")
    parser.add_argument("--device", choices=("cpu",), default="cpu", help="npu follows later")
    parser.add_argument("--threads", type=int, default=0, help="default: as many as PyTorch takes")
    return parser.parse_args()


def train_and_report(model: CausalLM, stream: torch.Tensor, schedule: Schedule) -> bool:
    """Trains; True if our gradient is eager's."""
    start = time.perf_counter()
    losses = train(model, stream, schedule)
    seconds = time.perf_counter() - start
    print(
        f"trained {len(losses)} steps in {seconds:.0f} s, flash_attn_func forward and backward: "
        f"loss {losses[0]:.2f} -> {sum(losses[-10:]) / len(losses[-10:]):.2f}"
    )
    difference = gradient_difference(model, stream[:514].view(2, 257).to(model.cos.device))
    print(
        f"largest gradient difference to eager: {difference:.1e} of the largest entry "
        f"(limit {MAX_GRADIENT_DIFFERENCE})"
    )
    return difference < MAX_GRADIENT_DIFFERENCE


def decode_and_report(
    model: CausalLM, tokenizer: Tokenizer, steps: int, temperature: float
) -> bool:
    """Writes text; True if the cache changes no token."""
    prompts = [tokenizer.encode(prompt).ids for prompt in PROMPTS]
    start = time.perf_counter()
    cached = generate_cached(model, prompts, steps, temperature)
    middle = time.perf_counter()
    uncached = generate_uncached(model, prompts, steps, temperature)
    end = time.perf_counter()
    for prompt, tokens in zip(PROMPTS, cached, strict=True):
        written = f"[{prompt}]" + tokenizer.decode(tokens)
        print(textwrap.fill(written, 96, initial_indent="\n  ", subsequent_indent="  "))
    count = steps * len(prompts)
    print(
        f"\ndecoded {count} tokens: {count / (middle - start):.0f} tokens/s with the paged cache, "
        f"{count / (end - middle):.0f} tokens/s without"
    )
    print(f"tokens identical with and without cache: {'yes' if cached == uncached else 'NO'}")
    return cached == uncached


if __name__ == "__main__":
    sys.exit(main())
