"""The encoder on an NPU, beside the same encoder on the CPU.

All of it runs there in fp16: embeddings, packing by bert_padding, linear layers, norms, and
attention by flash_attn_varlen_func. Where the NPU is simulated, what the simulator predicts for
each of our kernels is collected.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .minilm import ATTENTIONS, Encoder, pad_ids, sentence_embeddings

TIMING = "FLASH_ATTN_NPU_SIM_TIMING"  # read by simulated kernels only


@dataclass(frozen=True)
class Launch:
    """What the simulator predicts for one launch."""

    kernel: str
    cores: int
    cycles: int
    microseconds: float


@dataclass(frozen=True)
class Embeddings:
    """Of the same sentences, each [N, E] fp32 on the CPU."""

    device: Tensor  # fp16 on the NPU, our attention
    half: Tensor  # fp16 on the CPU, eager attention
    exact: Tensor  # fp32 on the CPU, eager attention

    def difference(self) -> float:
        """Largest difference of the device to fp32."""
        return float((self.device - self.exact).abs().max())

    def limit(self) -> float:
        """Twice what fp16 costs on the CPU, and one rounding of the largest element."""
        rounding = torch.finfo(torch.float16).eps * self.exact.abs().max()
        return float(2 * (self.half - self.exact).abs().max() + rounding)


def version() -> str:
    """Of torch_npu. Raises SystemExit if it is not there or sees no device."""
    try:
        torch_npu = importlib.import_module("torch_npu")
    except (ImportError, RuntimeError) as error:
        raise SystemExit(
            f"--device npu needs torch_npu and CANN (`./dev demo-npu`): {error}"
        ) from None
    if not torch_npu.npu.is_available():
        raise SystemExit("--device npu: torch_npu sees no device")
    return str(torch_npu.__version__)


@contextlib.contextmanager
def predicted_launches() -> Iterator[list[Launch]]:
    """A list that holds the launches of simulated kernels after the block; of a chip, nothing."""
    launches: list[Launch] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "timing"
        file.touch()
        os.environ[TIMING] = str(file)
        try:
            yield launches
            torch.get_device_module("npu").synchronize()
        finally:
            del os.environ[TIMING]
        for line in file.read_text().splitlines():
            kernel, cores, cycles, microseconds = line.split()
            launches.append(Launch(kernel, int(cores), int(cycles), float(microseconds)))


@torch.inference_mode()
def embed_everywhere(encoder: Encoder, ids: list[list[int]]) -> tuple[Embeddings, list[Launch]]:
    """Embeddings of all sequences in one batch, by a CPU encoder in fp32 and its copies."""
    padded, mask = pad_ids(ids)
    states = [encoder(padded, mask, ATTENTIONS["eager"]())]
    encoder.half()
    states.append(encoder(padded, mask, ATTENTIONS["eager"]()))
    with predicted_launches() as launches:
        on_device = encoder.to("npu")(padded.to("npu"), mask.to("npu"), ATTENTIONS["packed"]())
        states.append(on_device.cpu())
    exact, half, device = (sentence_embeddings(state.float(), mask) for state in states)
    return Embeddings(device, half, exact), launches
