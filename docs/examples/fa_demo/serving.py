"""Continuous batching: requests come and go, all share one cache of pages."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import torch
from torch import Tensor

from flash_attn_interface import flash_attn_with_kvcache

from .packed_gpt import Attend, Packed, PackedGPT, pack


@dataclass
class Request:
    """A prompt and what has become of it."""

    prompt: list[int]
    count: int  # tokens to make
    made: list[int] = field(default_factory=list)
    cached: int = 0  # tokens whose keys are in the cache
    pages: list[int] = field(default_factory=list)  # page of each stretch of tokens, in order

    def pending(self) -> list[int]:
        """Tokens that are not in the cache yet."""
        return [*self.prompt, *self.made][self.cached :]


class Server:
    """Runs requests together, as many as there are pages for.

    Args:
      model: the model.
      num_pages, page_size: the cache; its memory never changes.
      budget: most tokens of a step. Long prompts are taken in parts, so that they do not hold up
          the requests that are being answered.
      window: tokens that a token sees, or None for all before it. Pages behind the window are given
          back while a request runs.
    """

    def __init__(
        self,
        model: PackedGPT,
        num_pages: int,
        page_size: int,
        budget: int = 64,
        window: int | None = None,
    ) -> None:
        self.model, self.page_size, self.budget, self.window = model, page_size, budget, window
        shape = (len(model.layers), num_pages, page_size, *model.kv_shape)
        # NaN shows at once if a slot is read that nothing was written to.
        self.keys, self.values = torch.full(shape, torch.nan), torch.full(shape, torch.nan)
        self.free = list(range(num_pages))
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []
        self.most_pages = 0
        self.largest_batch = 0

    def submit(self, request: Request) -> None:
        """Queues a request; it starts when there are pages for its prompt and answer."""
        self.waiting.append(request)

    def _pages_of(self, request: Request) -> int:
        tokens = len(request.prompt) + request.count
        if self.window is not None:  # never more than the window and one step's tokens
            tokens = min(tokens, self.window + self.budget + 2 * self.page_size)
        return -(-tokens // self.page_size)

    def _admit(self) -> None:
        promised = sum(self._pages_of(r) for r in self.running)
        total = self.keys.shape[1]
        while self.waiting and promised + self._pages_of(self.waiting[0]) <= total:
            promised += self._pages_of(self.waiting[0])
            self.running.append(self.waiting.popleft())
        if not self.running and self.waiting:
            raise ValueError(f"a request needs more than all {total} pages")

    def _choose(self) -> list[tuple[Request, list[int]]]:
        """Which tokens the step computes: one of each running answer first, then prompts."""
        room, chosen = self.budget, []
        for request in sorted(self.running, key=lambda r: len(r.pending())):
            tokens = request.pending()[:room]
            if tokens:
                chosen.append((request, tokens))
                room -= len(tokens)
        return chosen

    def _reserve(self, request: Request, tokens: int) -> None:
        needed = -(-(request.cached + tokens) // self.page_size)
        while len(request.pages) < needed:
            request.pages.append(self.free.pop())

    def _release_behind_window(self, request: Request) -> None:
        if self.window is None:
            return
        # The next token sees itself and window - 1 before it. A page that no one will read is free;
        # its entry stays, because entries are found by position, and names any page.
        behind = max(request.cached - self.window + 1, 0) // self.page_size
        for i in range(behind):
            if request.pages[i] >= 0:
                self.free.append(request.pages[i])
                request.pages[i] = -1

    @torch.inference_mode()
    def step(self) -> list[Request]:
        """Computes some tokens of the running requests and returns those that are finished."""
        self._admit()
        chosen = self._choose()
        for request, tokens in chosen:
            self._reserve(request, len(tokens))
        used = self.keys.shape[1] - len(self.free)
        self.most_pages = max(self.most_pages, used)
        self.largest_batch = max(self.largest_batch, len(chosen))
        packed = pack([tokens for _, tokens in chosen], [r.cached for r, _ in chosen])
        logits = self.model(packed, self._attention([r for r, _ in chosen], packed))
        last = packed.cu_seqlens[1:].long() - 1
        for (request, tokens), token in zip(chosen, logits[last].argmax(-1), strict=True):
            request.cached += len(tokens)
            if not request.pending():  # the last token's successor is known
                request.made.append(int(token))
            self._release_behind_window(request)
        finished = [r for r in self.running if len(r.made) == r.count]
        for request in finished:
            self.running.remove(request)
            self.free += [page for page in request.pages if page >= 0]
        return finished

    def _attention(self, requests: list[Request], packed: Packed) -> Attend:
        widest = max(len(request.pages) for request in requests)
        table = torch.zeros(len(requests), widest, dtype=torch.int32)
        for row, request in zip(table, requests, strict=True):
            row[: len(request.pages)] = torch.tensor(request.pages).clamp_min(0)
        cached = torch.tensor([request.cached for request in requests], dtype=torch.int32)
        window_size = (-1, -1) if self.window is None else (self.window - 1, 0)

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            out: Tensor = flash_attn_with_kvcache(
                q,
                self.keys[layer],
                self.values[layer],
                k=k,
                v=v,
                cache_seqlens=cached,
                page_table=table,
                cu_seqlens_q=packed.cu_seqlens,
                cu_seqlens_k_new=packed.cu_seqlens,
                max_seqlen_q=packed.longest,
                causal=True,
                window_size=window_size,
            )
            return out

        return attend

    def run(self) -> int:
        """Steps until nothing is left; returns their number."""
        steps = 0
        while self.waiting or self.running:
            self.step()
            steps += 1
        return steps
