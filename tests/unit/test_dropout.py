"""The restated dropout generator: published vectors, and its use of the words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fa_testing.dropout import keep_mask
from fa_testing.dropout_bits import head_bytes, lowbias32, philox4x32, threshold, words

# Known answers of Philox4x32-10, published with Random123.
VECTORS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), VECTORS)
def test_philox(
    counter: tuple[int, int, int, int], key: tuple[int, int], expected: tuple[int, ...]
) -> None:
    assert philox4x32(counter, key) == expected


def test_lowbias32_is_a_permutation() -> None:
    """Each step is invertible, so no two of these inputs may meet."""
    x = np.arange(2**20, dtype=np.uint32) * np.uint32(4099)
    assert np.unique(lowbias32(x)).size == x.size
    assert int(lowbias32(np.array([0], dtype=np.uint32))[0]) == 0


def test_threshold() -> None:
    assert [threshold(p) for p in (0.0, 0.1, 0.5, 0.9)] == [255, 229, 127, 25]


def test_no_two_counters_of_a_family_meet() -> None:
    one = np.full(1, 7, np.uint32)
    counters = np.arange(2**20, dtype=np.uint32)
    assert np.unique(words(one, one, counters)).size == counters.size


def test_bytes_follow_from_their_numbers() -> None:
    data = head_bytes(seed=1, offset=2, head=4, queries=5, kv_len=64)
    assert data.shape == (5, 64) and data.max() <= 255
    longer = head_bytes(seed=1, offset=2, head=4, queries=9, kv_len=70)
    assert (longer[:5, :64] == data).all()
    for a, b in ((0, 1), (1, 4)):
        assert (data[a] != data[b]).mean() > 0.9
    for change in ({"seed": 2**40 + 1}, {"offset": 2**40}, {"offset": 3}, {"head": 5}):
        arguments = {"seed": 1, "offset": 2, "head": 4} | change
        assert (head_bytes(**arguments, queries=5, kv_len=64) != data).mean() > 0.9


def test_four_keys_share_a_word() -> None:
    """By hand: the block of the head, the word of the query, the word of the keys."""
    c0, c1, c2, c3 = philox4x32((4, 0, 2, 0), (1, 0))

    def word(add: int, multiply: int, counter: int) -> int:
        x = (counter * (2 * multiply + 1) + add) % 2**32
        return int(lowbias32(np.array([x], dtype=np.uint32))[0])

    row = word(c0, c1, 3), word(c2, c3, 3)
    four = word(*row, 15).to_bytes(4, "little")
    assert head_bytes(1, 2, 4, 4, 64)[3, 60:].tolist() == list(four)


def test_mask_counts_heads_over_entries() -> None:
    whole = keep_mask(5, 6, entry=1, heads=2, q_len=3, kv_len=9, p=0.5)
    assert whole.shape == (2, 3, 9) and whole.dtype == torch.bool
    head = head_bytes(5, 6, head=3, queries=3, kv_len=9) <= threshold(0.5)
    assert whole[1].tolist() == head.tolist()
    assert keep_mask(5, 6, 0, 2, 0, 9, 0.5).shape == (2, 0, 9)
