"""flash_attn.bert_padding: packing, unpacking, gradients."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from api.support import Wheel, gradient, leaf, load, normal

bert_padding = pytest.importorskip("flash_attn.bert_padding")
MASK = torch.tensor([[1, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]])


@pytest.mark.parametrize("mask", [MASK, MASK.bool(), MASK * 7, MASK.float()])
@pytest.mark.parametrize("tail", [(5,), (2, 3), ()])
def test_unpad(mask: Tensor, tail: tuple[int, ...]) -> None:
    hidden = normal(3, 4, *tail)
    packed, indices, cu_seqlens, longest, used = bert_padding.unpad_input(hidden, mask)
    assert torch.equal(packed, hidden[MASK.bool()])
    assert indices.tolist() == [0, 1, 3, 8, 9, 10, 11]
    assert cu_seqlens.tolist() == [0, 3, 3, 7]
    assert used.tolist() == [3, 0, 4]
    assert (longest, type(longest)) == (4, int)
    assert {cu_seqlens.dtype, used.dtype} == {torch.int32}
    assert indices.dtype == torch.int64


def test_unpad_with_unused_tokens() -> None:
    unused = torch.tensor([[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    hidden = normal(3, 4, 2)
    packed, indices, cu_seqlens, longest, used = bert_padding.unpad_input(hidden, MASK, unused)
    assert indices.tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    assert cu_seqlens.tolist() == [0, 4, 4, 8]
    assert used.tolist() == [3, 0, 4]
    assert longest == 4
    assert torch.equal(packed, hidden.flatten(0, 1)[indices])


def test_round_trip() -> None:
    hidden = normal(3, 4, 2, 3)
    packed, indices, *_ = bert_padding.unpad_input(hidden, MASK)
    padded = bert_padding.pad_input(packed, indices, 3, 4)
    assert torch.equal(padded, hidden * MASK[..., None, None])


def test_round_trip_gradient() -> None:
    hidden = leaf(3, 4, 2)
    packed, indices, *_ = bert_padding.unpad_input(hidden, MASK)
    weight = normal(3, 4, 2, seed=1)
    (bert_padding.pad_input(packed, indices, 3, 4) * weight).sum().backward()
    assert torch.equal(gradient(hidden), weight * MASK[..., None])


def test_nothing_selected_and_no_batch() -> None:
    packed, _, cu_seqlens, longest, _ = bert_padding.unpad_input(normal(2, 3, 4), torch.zeros(2, 3))
    assert packed.shape == (0, 4)
    assert (cu_seqlens.tolist(), longest) == ([0, 0, 0], 0)
    packed, _, cu_seqlens, longest, _ = bert_padding.unpad_input(normal(0, 3, 4), torch.zeros(0, 3))
    assert packed.shape == (0, 4)
    assert (cu_seqlens.tolist(), longest) == ([0], 0)


def test_concatenated_sequences() -> None:
    lengths = torch.tensor([[2, 3, 0, 0, 0, 0], [3, 2, 0, 0, 0, 0], [6, 0, 0, 0, 0, 0]])
    hidden = normal(3, 6, 2)
    packed, indices, cu_seqlens, longest = bert_padding.unpad_input_for_concatenated_sequences(
        hidden, lengths
    )
    assert cu_seqlens.tolist() == [0, 2, 5, 8, 10, 16]
    assert longest == 6
    assert indices.tolist() == [*range(5), *range(6, 11), *range(12, 18)]
    assert torch.equal(packed, torch.cat([hidden[0, :5], hidden[1, :5], hidden[2]]))


def test_concatenated_sequences_may_not_exceed_their_row() -> None:
    v2 = load(2)
    with pytest.raises(v2.module.InvalidArgument, match="attention_mask_in_length: got 5 tokens"):
        bert_padding.unpad_input_for_concatenated_sequences(
            normal(1, 4, 2), torch.tensor([[3, 2, 0, 0]])
        )


def test_indexing() -> None:
    rows, indices = leaf(5, 2), torch.tensor([3, 0])
    assert torch.equal(bert_padding.index_first_axis(rows, indices), rows[indices])
    put = bert_padding.index_put_first_axis(rows[:2], indices, 4)
    assert torch.equal(put[indices], rows[:2])
    assert torch.count_nonzero(put[[1, 2]]) == 0


def test_residual_may_be_changed_in_place() -> None:
    rows, indices = leaf(5, 2), torch.tensor([3, 0, 3])
    selected, residual = bert_padding.index_first_axis_residual(rows * 1, indices)
    residual += 1
    (selected.sum() + 2 * residual.sum()).backward()
    assert gradient(rows).tolist() == [[3, 3], [2, 2], [2, 2], [4, 4], [2, 2]]


def test_wrong_masks(v2: Wheel) -> None:
    for mask in (MASK[:2], MASK[0], MASK[..., None]):
        with pytest.raises(v2.module.InvalidArgument, match="attention_mask: got shape"):
            bert_padding.unpad_input(normal(3, 4, 2), mask)
    with pytest.raises(v2.module.InvalidArgument, match="unused_mask: got shape"):
        bert_padding.unpad_input(normal(3, 4, 2), MASK, MASK[:2])


def test_attention_of_packed_tokens_is_that_of_each_sequence(v2: Wheel) -> None:
    hidden = normal(3, 4, 3, 2, 16)
    packed, indices, cu_seqlens, longest, _ = bert_padding.unpad_input(hidden, MASK)
    out = v2.module.flash_attn_varlen_qkvpacked_func(packed, cu_seqlens, longest)
    padded = bert_padding.pad_input(out, indices, 3, 4)
    for b in (0, 2):
        alone = v2.module.flash_attn_qkvpacked_func(hidden[b : b + 1][:, MASK[b].bool()])
        torch.testing.assert_close(padded[b][MASK[b].bool()], alone[0], rtol=1e-6, atol=1e-6)


def test_einops_is_handed_through_but_not_needed() -> None:
    einops = pytest.importorskip("einops")
    assert bert_padding.rearrange is einops.rearrange
    assert bert_padding.repeat is einops.repeat
    code = (
        "import sys; sys.modules['einops'] = None\n"
        "import flash_attn.bert_padding as b, torch\n"
        "print(b.pad_input(torch.ones(1, 2), torch.tensor([1]), 1, 2).tolist())\n"
        "from flash_attn.bert_padding import rearrange\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[[[0.0, 0.0], [1.0, 1.0]]]\n", done.stderr
    assert "ImportError: cannot import name 'rearrange'" in done.stderr
