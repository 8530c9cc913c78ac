"""The demo: its pieces, and both scripts as a user starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fa_demo import causal_lm, corpus, decode, minilm, muon, on_npu, progress, search
from flash_attn import flash_attn_func, flash_attn_varlen_func
from flash_attn_interface import flash_attn_with_kvcache

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs/examples"
SENTENCES = [
    "Remove a directory tree.",
    "Delete a folder and all that it contains, whether files or other folders.",
    "Compute the square root.",
    "",
]


@pytest.fixture(scope="module")
def encoder() -> minilm.Encoder:
    return minilm.load_encoder()


@pytest.fixture(scope="module")
def ids() -> list[list[int]]:
    return minilm.tokenize(minilm.load_tokenizer(), SENTENCES)


def tiny_model(seed: int = 0) -> causal_lm.CausalLM:
    torch.manual_seed(seed)
    sizes = {"width": 32, "layers": 2, "q_heads": 4, "kv_heads": 2, "head_dim": 16, "inner": 64}
    model = causal_lm.CausalLM(causal_lm.Config(vocab_size=300, max_tokens=64, **sizes))
    for weight in model.parameters():  # also those that start as zero, so that attention matters
        if weight.dim() == 2:
            torch.nn.init.normal_(weight, std=0.3)
    return model


# ---------------------------------------------------------------- corpus


def test_corpus_is_what_every_python_has() -> None:
    passages = corpus.load_passages()
    texts = [passage.text for passage in passages]
    assert len(texts) == len(set(texts)) > 2000
    assert all(corpus.MIN_CHARS <= len(text) <= corpus.MAX_CHARS for text in texts)
    assert {"itertools.chain", "shutil.rmtree", "help('with') part 1"} <= {
        p.title for p in passages
    }
    assert corpus.load_passages(7) == passages[:7]


def test_summary_skips_signatures() -> None:
    assert corpus.Passage("f", "f(a, b) -> c\n\nAdds things.").summary == "Adds things."
    assert corpus.Passage("f", "f(a, b)").summary == "f(a, b)"


# ---------------------------------------------------------------- encoder


@torch.inference_mode()
@pytest.mark.parametrize("name", ["packed", "sdpa"])
def test_attentions_give_the_hidden_states_of_eager(
    encoder: minilm.Encoder, ids: list[list[int]], name: str
) -> None:
    padded, mask = minilm.pad_ids(ids)
    ours = encoder(padded, mask, minilm.ATTENTIONS[name]())
    eager = encoder(padded, mask, minilm.EagerAttention())
    assert ours.shape == (len(SENTENCES), max(map(len, ids)), 384)
    assert (ours - eager)[mask.bool()].abs().max() < 1e-5


@torch.inference_mode()
def test_packed_padding_is_zero_and_one_sequence_does_not_see_another(
    encoder: minilm.Encoder, ids: list[list[int]]
) -> None:
    padded, mask = minilm.pad_ids(ids)
    together = encoder(padded, mask, minilm.PackedAttention())
    assert not together[~mask.bool()].any()
    alone = encoder(*minilm.pad_ids(ids[:1]), minilm.PackedAttention())
    assert (together[0, : len(ids[0])] - alone[0]).abs().max() < 1e-5


def test_embeddings_know_what_sentences_mean(encoder: minilm.Encoder, ids: list[list[int]]) -> None:
    vectors = search.embed(encoder, ids, "packed")
    assert torch.allclose(vectors.norm(dim=-1), torch.ones(len(ids)))
    scores, hits = search.best_hits(vectors[1:], vectors[:1], 3)
    assert hits[0, 0] == 0  # the sentence with the same meaning, in other words
    assert scores[0, 0] > scores[0, 1] + 0.3


def test_long_texts_are_cut() -> None:
    (long,) = minilm.tokenize(minilm.load_tokenizer(), ["word " * 1000])
    assert len(long) == minilm.MAX_TOKENS


def test_batches_hold_every_sequence_once() -> None:
    ids = [[0] * length for length in (5, 1, 4, 2, 3)]
    by_length = search.batches_by_length(ids, 2)
    assert by_length == [[1, 3], [4, 2], [0]]
    at_random = search.batches_at_random(ids, 2, count=9, seed=1)
    assert sorted(i for batch in at_random for i in batch) == [0, 1, 2, 3, 4]
    assert search.batches_at_random(ids, 2, count=1, seed=1) == at_random[:1]


def test_comparison_counts_and_finds_differences(
    encoder: minilm.Encoder, ids: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = search.batches_by_length(ids, 2)
    good = search.compare(encoder, ids, batches, ["eager", "packed"])
    assert good.tokens == sum(map(len, ids))
    padded = [len(batch) * max(len(ids[i]) for i in batch) for batch in batches]
    assert good.positions == sum(padded)
    assert 0 < good.by_attention["packed"].max_difference < 1e-5
    assert good.by_attention["eager"].max_difference == 0
    assert not good.by_attention["packed"].embeddings.isnan().any()
    original: Callable[..., Any] = flash_attn_varlen_func

    def off_by_one(*arguments: Any) -> Any:
        return original(*arguments, causal=True)

    monkeypatch.setattr(minilm, "flash_attn_varlen_func", off_by_one)
    bad = search.compare(encoder, ids, batches, ["eager", "packed"])
    assert bad.by_attention["packed"].max_difference > 1e-2


# ---------------------------------------------------------------- causal model


def test_our_gradient_is_that_of_eager() -> None:
    model = tiny_model()
    ids = torch.randint(300, (2, 33), generator=torch.Generator().manual_seed(1))
    assert causal_lm.gradient_difference(model, ids) < 1e-4


def test_gradient_difference_notices_a_wrong_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        causal_lm,
        "flash_attention",
        lambda q, k, v: flash_attn_func(q, k, v, causal=True, window_size=(20, 0)),
    )
    ids = torch.randint(300, (2, 33), generator=torch.Generator().manual_seed(1))
    assert causal_lm.gradient_difference(tiny_model(), ids) > 1e-3


def test_training_learns_and_repeats() -> None:
    stream = torch.arange(10).repeat(40)
    schedule = causal_lm.Schedule(steps=20, batch=4, length=16)
    runs = []
    for _ in range(2):
        torch.manual_seed(0)
        sizes = {"width": 32, "layers": 1, "q_heads": 2, "kv_heads": 1, "inner": 32}
        model = causal_lm.CausalLM(causal_lm.Config(vocab_size=10, head_dim=16, **sizes))
        runs.append(causal_lm.train(model, stream, schedule))
    assert len(runs[0]) == 20
    assert runs[0][-1] < 0.5 * runs[0][0]
    assert runs[0] == pytest.approx(runs[1], rel=1e-3)


def test_training_stops_in_time() -> None:
    schedule = causal_lm.Schedule(steps=10**6, seconds=0.2, batch=1, length=8)
    losses = causal_lm.train(tiny_model(), torch.randint(300, (100,)), schedule)
    assert 0 < len(losses) < 10**4


def test_learning_rate_rises_and_falls_to_nothing() -> None:
    factor = causal_lm.Schedule(1).factor
    assert factor(0) < factor(0.05) == factor(0.3) == 1 > factor(0.7) > factor(1) == 0


def test_orthogonal_makes_singular_values_about_one() -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in ((8, 24), (24, 8)):
        values = torch.linalg.svdvals(muon.orthogonal(torch.randn(*shape, generator=generator)))
        assert values.min() > 0.5
        assert values.max() < 1.5


def test_tokenizer_returns_any_text() -> None:
    tokenizer = causal_lm.train_tokenizer("the cat and the hat " * 50, 300)
    text = "the unseen: äö\n\ttext"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


# ---------------------------------------------------------------- decoding

PROMPTS = [[5, 6, 7, 8, 9, 10, 11], [1], [2, 3, 4]]


@pytest.mark.parametrize("page_size", [1, 5, 16])
@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_cache_changes_no_token(page_size: int, temperature: float) -> None:
    model = tiny_model()
    cached = decode.generate_cached(model, PROMPTS, 12, temperature, page_size)
    assert cached == decode.generate_uncached(model, PROMPTS, 12, temperature)
    assert [len(tokens) for tokens in cached] == [12, 12, 12]


@pytest.mark.parametrize("wrong", ["rotary_interleaved", "page_table", "cache_seqlens"])
def test_a_wrong_cache_changes_tokens(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original: Callable[..., Any] = flash_attn_with_kvcache

    def broken(*arguments: Any, **named: Any) -> Any:
        if wrong == "rotary_interleaved":
            named[wrong] = True
        elif wrong == "page_table":
            named[wrong] = named[wrong].flip(0)  # every step another entry's pages
            if int(named["cache_seqlens"][0]) % 2:
                named[wrong] = named[wrong].flip(0)
        else:
            named[wrong] = (named[wrong] - 1).clamp_min(0)
        return original(*arguments, **named)

    model = tiny_model()
    expected = decode.generate_uncached(model, PROMPTS, 12, 0.0)
    monkeypatch.setattr(decode, "flash_attn_with_kvcache", broken)
    assert decode.generate_cached(model, PROMPTS, 12, 0.0, 5) != expected


# ---------------------------------------------------------------- scripts


def run_script(name: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), "--quick", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_semantic_search_script() -> None:
    output = run_script("semantic_search.py", "--device", "cpu")
    for line in ("hidden-state difference to eager", "search hits identical to eager: yes"):
        assert line in output
    for name in ("eager", "packed", "sdpa"):
        assert output.count(f"\n  {name} ") == 3  # two speeds and a memory
    assert "tokens/s" in output
    assert "MiB above the loaded model" in output


@pytest.mark.slow
def test_tiny_lm_script() -> None:
    output = run_script("tiny_lm.py", "--device", "cpu")
    assert "tokens identical with and without cache: yes" in output
    assert "largest gradient difference to eager" in output
    assert output.count("\n  [") == 4  # a text for every prompt


@pytest.mark.slow
def test_search_script_fails_when_results_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    import semantic_search

    monkeypatch.setattr(sys, "argv", ["semantic_search.py", "--quick", "--passages", "8"])
    monkeypatch.setattr(semantic_search, "MAX_DIFFERENCE", 0.0)
    monkeypatch.setattr(semantic_search, "print_memory", lambda *_: None)
    assert semantic_search.main() == 1


def test_npu_without_torch_npu_says_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_npu", None)
    with pytest.raises(SystemExit, match=r"needs torch_npu and CANN .*demo-npu"):
        on_npu.version()


def test_npu_takes_no_sizes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import semantic_search

    monkeypatch.setattr(sys, "argv", ["semantic_search.py", "--device", "npu", "--passages", "8"])
    with pytest.raises(SystemExit):
        semantic_search.main()
    assert "takes its own sentences" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [0.0, 0.01])
def test_npu_search_fails_when_results_differ(
    wrong: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import semantic_search

    def embed(encoder: minilm.Encoder, ids: list[list[int]]) -> Any:
        exact = search.embed(encoder, ids, "eager")
        launches = [on_npu.Launch("fa_forward", 2, cycles, 1.0) for cycles in (30, 12)]
        return on_npu.Embeddings(exact + wrong, exact + 1e-4, exact), launches

    monkeypatch.setattr(on_npu, "version", lambda: "0")
    monkeypatch.setattr(on_npu, "embed_everywhere", embed)
    assert semantic_search.search_on_npu() == (1 if wrong else 0)
    printed = capsys.readouterr().out
    assert "attention: 2 calls on 2 cores, 42 cycles (simulated" in printed
    assert ("difference to the embeddings of the CPU: 1.0e-02" in printed) == bool(wrong)


def test_child_process_measures_memory() -> None:
    command = [sys.executable, str(EXAMPLES / "semantic_search.py"), "--peak-memory", "eager"]
    batch = json.dumps([[101, *range(2000, 2100), 102]] * 4)
    done = subprocess.run(command, input=batch, capture_output=True, text=True, check=True)
    before, peak = json.loads(done.stdout)
    scores = 4 * 12 * 102 * 102 * 4
    assert before + scores < peak


# ---------------------------------------------------------------- helpers


MEMORY = """
from fa_demo import memory

memory.reset_peak()
before = memory.peak_resident_bytes()
block = bytearray(64 << 20)
block[:: 4 << 10] = b"x" * len(block[:: 4 << 10])
del block
peak = memory.peak_resident_bytes()
print(before, peak, memory.peak_resident_bytes() if memory.reset_peak() else 0)
"""


def test_peak_memory_sees_what_is_gone() -> None:
    """In a process of its own, as what other tests have left may be given back at any time."""
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES)}
    command = [sys.executable, "-c", MEMORY]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    before, peak, after_reset = map(int, done.stdout.split())
    assert peak >= before + (60 << 20)
    assert after_reset < before + (60 << 20)


def test_progress_is_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    with progress.Progress("counting", 4) as steps:
        steps.step("one")
        steps.advance_to(4)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["counting: 25 %", "counting: 100 %"]
    assert lines[0].endswith("left one")
