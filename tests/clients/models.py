"""Small transformers models with random weights, one for each kind of attention."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

VOCABULARY = 100
_SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
# What each adds to plain causal attention with grouped heads.
_OWN: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": 8},
    "qwen2": {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
    "gemma2": {
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "sliding_window": 8,
        "attn_logit_softcapping": 2.0,
        "final_logit_softcapping": None,
    },
    "gpt_oss": {
        "head_dim": 16,
        "sliding_window": 8,
        "num_local_experts": 2,
        "num_experts_per_tok": 1,
    },
}
NAMES = tuple(_OWN)


def make(name: str, dtype: torch.dtype = torch.float32) -> Any:
    """The model `name` with eager attention; the same weights every time."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(name, **_SIZES, **_OWN[name])
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in model.parameters():  # so that attention decides what comes out
            if parameter.dim() == 2:
                parameter.normal_(std=0.2)
            elif parameter.shape == (_SIZES["num_attention_heads"],):  # sinks
                parameter.normal_()
    return model.to(dtype)


def with_attention(model: Any, implementation: str) -> Any:
    """A copy of a model with another attention implementation."""
    config = copy.deepcopy(model.config)
    copied = type(model)._from_config(config, attn_implementation=implementation).eval()
    copied.load_state_dict(model.state_dict())
    return copied.to(model.dtype)


def tokens(*shape: int, seed: int = 0) -> Tensor:
    """Token ids without the special ones."""
    return torch.randint(3, VOCABULARY, shape, generator=torch.Generator().manual_seed(seed))


def padding(batch: int, length: int, *missing: int, left: bool = True) -> Tensor:
    """A mask [batch, length] with `missing` tokens of padding in each row."""
    mask = torch.ones(batch, length, dtype=torch.long)
    for row, count in zip(mask, missing, strict=True):
        if left:
            row[:count] = 0
        else:
            row[length - count :] = 0
    return mask
