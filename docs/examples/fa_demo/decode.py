"""Autoregressive decoding with a paged key/value cache, and without one."""

from __future__ import annotations

import torch
from torch import Tensor

from flash_attn_interface import flash_attn_with_kvcache

from .causal_lm import CausalLM
from .progress import Progress


class PagedCache:
    """Keys and values of all layers in pages of a few tokens, handed out in no special order.

    Attributes:
      keys, values: [layers, num_pages, page_size, Hkv, D].
      page_table: int32 [B, max_pages]; entry i of a row is the page of tokens
        [i * page_size, (i + 1) * page_size).
      lengths: int32 [B]; tokens that are in the cache.
    """

    def __init__(self, model: CausalLM, batch: int, max_tokens: int, page_size: int) -> None:
        config, device = model.config, model.cos.device
        pages_each = -(-max_tokens // page_size)
        num_pages = batch * pages_each
        shape = (config.layers, num_pages, page_size, config.kv_heads, config.head_dim)
        # NaN shows at once if a slot is read that nothing was written to.
        self.keys = torch.full(shape, torch.nan, device=device)
        self.values = torch.full(shape, torch.nan, device=device)
        order = torch.randperm(num_pages, generator=torch.Generator().manual_seed(0))
        self.page_table = order.to(device, torch.int32).view(batch, pages_each)
        self.lengths = torch.zeros(batch, dtype=torch.int32, device=device)


def extend(model: CausalLM, cache: PagedCache, new_ids: list[list[int]]) -> Tensor:
    """Puts new tokens of every sequence into the cache; logits [B, vocab] after the last of each.

    The kernel rotates q and k at their positions, appends k and v to the pages, then attends.
    Sequences may get different numbers of tokens: they are packed behind each other.
    """
    device = cache.lengths.device
    counts = torch.tensor([len(ids) for ids in new_ids], dtype=torch.int32)
    cu_seqlens = torch.cat([torch.zeros(1, dtype=torch.int32), counts.cumsum(0).int()]).to(device)
    x = model.tokens(torch.tensor([token for ids in new_ids for token in ids], device=device))
    for layer, block in enumerate(model.layers()):
        q, k, v = block.project(x)
        attended = flash_attn_with_kvcache(
            q,
            cache.keys[layer],
            cache.values[layer],
            k=k,
            v=v,
            rotary_cos=model.cos,
            rotary_sin=model.sin,
            cache_seqlens=cache.lengths,
            page_table=cache.page_table,
            cu_seqlens_q=cu_seqlens,
            cu_seqlens_k_new=cu_seqlens,
            max_seqlen_q=int(counts.max()),
            causal=True,
            rotary_interleaved=False,
        )
        x = block.finish(x, attended)
    cache.lengths += counts.to(device)
    last_rows = cu_seqlens[1:].long() - 1
    return model.logits(x[last_rows])


def choose(logits: Tensor, temperature: float, generator: torch.Generator) -> list[int]:
    """One token of each row [B, vocab], drawn by adding Gumbel noise; temperature 0 = the best.

    The noise depends on the generator only, so equal logits give equal tokens.
    """
    if temperature > 0:
        uniform = torch.rand(logits.shape, generator=generator).clamp_min(1e-20)
        logits = logits.cpu() / temperature - (-uniform.log()).log()
    return logits.argmax(dim=-1).tolist()


@torch.inference_mode()
def generate_cached(
    model: CausalLM,
    prompts: list[list[int]],
    steps: int,
    temperature: float,
    page_size: int = 16,
    seed: int = 0,
) -> list[list[int]]:
    """The `steps` tokens after each prompt; every token goes through the model once."""
    generator = torch.Generator().manual_seed(seed)
    cache = PagedCache(model, len(prompts), max(map(len, prompts)) + steps, page_size)
    made: list[list[int]] = [[] for _ in prompts]
    new_ids = prompts
    with Progress("decoding with the cache", steps) as progress:
        for _ in range(steps):
            chosen = choose(extend(model, cache, new_ids), temperature, generator)
            for tokens, token in zip(made, chosen, strict=True):
                tokens.append(token)
            new_ids = [[token] for token in chosen]
            progress.step()
    return made


@torch.inference_mode()
def generate_uncached(
    model: CausalLM,
    prompts: list[list[int]],
    steps: int,
    temperature: float,
    seed: int = 0,
) -> list[list[int]]:
    """The same without a cache: every step computes every sequence from its start."""
    generator = torch.Generator().manual_seed(seed)
    made: list[list[int]] = [[] for _ in prompts]
    with Progress("decoding without", steps) as progress:
        for _ in range(steps):
            rows = []
            for prompt, tokens in zip(prompts, made, strict=True):
                ids = torch.tensor([prompt + tokens], device=model.cos.device)
                rows.append(model(ids)[0, -1])
            chosen = choose(torch.stack(rows), temperature, generator)
            for tokens, token in zip(made, chosen, strict=True):
                tokens.append(token)
            progress.step()
    return made
