"""Semantic search over Python's own documentation with all-MiniLM-L6-v2 (real weights).

Every batch goes through the same encoder with three attentions: ours on packed tokens
(flash_attn.bert_padding + flash_attn_varlen_func), PyTorch written out (eager) and PyTorch's
scaled_dot_product_attention, both on padded batches. Prints hits, differences, speed and memory;
ends with status 1 if ours does not give what eager gives.

With --device npu a dozen sentences are encoded on the device, in fp16, and compared with the CPU;
that needs torch_npu, and `./dev demo-npu` runs it on a simulated device.

    python docs/examples/semantic_search.py [--quick] [--passages N] [--batch-size N]
    python docs/examples/semantic_search.py --device npu
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

import fa_demo  # noqa: F401 (first: it sets how torch's threads wait)

# isort: split

import torch

from fa_demo import memory, on_npu
from fa_demo.corpus import Passage, load_passages
from fa_demo.minilm import ATTENTIONS, Encoder, load_encoder, load_tokenizer, pad_ids, tokenize
from fa_demo.search import (
    Comparison,
    batches_at_random,
    batches_by_length,
    best_hits,
    compare,
    embed,
)

QUERIES = (
    "delete a folder with everything in it",
    "run a command and capture its output",
    "combine two lists element by element",
    "choose a random element of a list",
    "wait until another thread has finished",
    "words that are nearly the same as a given word",
)
# What is searched with --device npu: one line of each, because simulation takes its time.
NPU_TITLES = (
    "shutil.rmtree",
    "shutil.copyfile",
    "subprocess.check_output",
    "json.dumps",
    "itertools.zip_longest",
    "random.Random",
    "threading.Thread.join",
    "difflib.get_close_matches",
    "heapq.merge",
    "glob.glob",
    "statistics.mean",
    "gzip.open",
)
HITS = 3
MIXED_BATCHES = 4
SEED = 0
MAX_DIFFERENCE = 1e-5  # of hidden states in fp32, ours to eager


def main() -> int:
    options = parse_options()
    if options.peak_memory:
        return print_peak_memory(options.peak_memory, options.device)
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.device == "npu":
        return search_on_npu()
    passages = load_passages(48 if options.quick else options.passages)
    texts = [f"{passage.title}: {passage.text}" for passage in passages]
    tokenizer, encoder = load_tokenizer(), load_encoder(options.device)
    ids = tokenize(tokenizer, texts)
    by_length = batches_by_length(ids, options.batch_size)
    comparison = compare(encoder, ids, by_length, ["eager", "packed", "sdpa"])
    print(
        f"\nall-MiniLM-L6-v2 in fp32 on {options.device}, {torch.get_num_threads()} threads: "
        f"{len(ids)} passages of Python's documentation, {comparison.tokens} tokens"
    )
    same_hits = print_hits(comparison, encoder, tokenize(tokenizer, list(QUERIES)), passages)
    at_random = batches_at_random(ids, options.batch_size, MIXED_BATCHES, SEED)
    mixed = compare(encoder, ids, at_random, ["eager", "packed", "sdpa"], "mixed lengths")
    print_speed({"sorted by length": comparison, "in random order": mixed})
    print_memory(ids, by_length, options.device)
    difference = max(c.by_attention["packed"].max_difference for c in (comparison, mixed))
    print(f"\nlargest hidden-state difference to eager: {difference:.1e} (limit {MAX_DIFFERENCE})")
    print(f"search hits identical to eager: {'yes' if same_hits else 'NO'}")
    return 0 if same_hits and difference < MAX_DIFFERENCE else 1


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a small corpus, a few seconds")
    parser.add_argument("--passages", type=int, help="size of the corpus (450)")
    parser.add_argument("--batch-size", type=int, help="passages per batch (32)")
    parser.add_argument("--device", choices=("cpu", "npu"), default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="default: as many as PyTorch takes")
    # The child process that measures one attention's memory; reads the batch from stdin.
    parser.add_argument("--peak-memory", choices=tuple(ATTENTIONS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = (options.quick, options.passages, options.batch_size)
    if options.device == "npu" and any(size not in (None, False) for size in sizes):
        parser.error("--device npu takes its own sentences: no --quick, --passages, --batch-size")
    options.passages = 450 if options.passages is None else options.passages
    options.batch_size = 32 if options.batch_size is None else options.batch_size
    return options


def search_on_npu() -> int:
    """Encodes a few sentences on the device and on the CPU; 1 if they find different things."""
    version = on_npu.version()
    passages = [p for p in load_passages() if p.title in NPU_TITLES]
    texts = [f"{passage.title}: {passage.summary}" for passage in passages]
    ids = tokenize(load_tokenizer(), [*texts, *QUERIES])
    found, launches = on_npu.embed_everywhere(load_encoder(), ids)
    print(
        f"\nall-MiniLM-L6-v2 in fp16 on {'a simulated NPU' if launches else 'an NPU'}, all layers "
        f"there, torch_npu {version}: {len(passages)} sentences, {sum(map(len, ids))} tokens"
    )
    hits = [best_hits(x[: len(texts)], x[len(texts) :], HITS) for x in (found.device, found.exact)]
    for row, query in enumerate(QUERIES):
        (score, cpu_score), index = (x[0][row, 0] for x in hits), hits[0][1][row, 0]
        print(f"  {query}? {passages[index].title} {score:.3f} (CPU in fp32: {cpu_score:.3f})")
    same = torch.equal(hits[0][1][:, 0], hits[1][1][:, 0])
    difference, limit = found.difference(), found.limit()
    print(
        f"\nlargest difference to the embeddings of the CPU: {difference:.1e} (limit {limit:.1e})"
    )
    print(f"first hits identical to the CPU: {'yes' if same else 'NO'}")
    if launches:
        cycles = sum(launch.cycles for launch in launches)
        print(
            f"attention: {len(launches)} calls on {launches[0].cores} cores, {cycles} cycles "
            "(simulated: predicted, never measured)"
        )
    return 0 if same and difference <= limit else 1


def print_hits(
    comparison: Comparison,
    encoder: Encoder,
    query_ids: list[list[int]],
    passages: list[Passage],
) -> bool:
    """Prints what packed attention found; True if eager attention found the same."""
    found = {}
    for name in ("packed", "eager"):
        queries = embed(encoder, query_ids, name)
        found[name] = best_hits(comparison.by_attention[name].embeddings, queries, HITS)
    scores, indices = found["packed"]
    for row, query in enumerate(QUERIES):
        print(f"\n  {query}?")
        for score, index in zip(scores[row].tolist(), indices[row].tolist(), strict=True):
            print(f"    {score:.2f}  {passages[index].title}: {passages[index].summary}"[:100])
    return torch.equal(indices, found["eager"][1])


def print_speed(runs: dict[str, Comparison]) -> None:
    for order, run in runs.items():
        padding = 100 * (1 - run.tokens / run.positions)
        print(f"\nspeed, passages {order}: {padding:.0f} % of the padded batches is padding")
        for name in run.by_attention:
            ratio = run.tokens_per_second(name) / run.tokens_per_second("eager")
            print(f"  {name:7}{run.tokens_per_second(name):8.0f} tokens/s  {ratio:5.2f} x eager")


def print_memory(ids: list[list[int]], batches: list[list[int]], device: str) -> None:
    """Peak memory of encoding the largest batch, each attention in a process of its own."""
    largest = max(batches, key=lambda batch: len(batch) * max(len(ids[i]) for i in batch) ** 2)
    batch = [ids[i] for i in largest]
    print("\npeak memory while encoding the largest batch")
    for name in ("eager", "packed", "sdpa"):
        command = [sys.executable, __file__, "--peak-memory", name, "--device", device]
        child = subprocess.run(
            command, input=json.dumps(batch), text=True, check=True, stdout=subprocess.PIPE
        )
        before, peak = json.loads(child.stdout)
        extra = (peak - before) / 2**20
        print(f"  {name:7}{peak / 2**20:8.0f} MiB, {extra:5.0f} MiB above the loaded model")


def print_peak_memory(name: str, device: str) -> int:
    """Child process: prints resident bytes before, and the peak while encoding one batch."""
    ids, mask = pad_ids(json.load(sys.stdin))
    encoder = load_encoder(device)
    with torch.inference_mode():
        encoder(ids[:1, :8], mask[:1, :8], ATTENTIONS[name]())
        memory.reset_peak()
        before = memory.resident_bytes()
        encoder(ids, mask, ATTENTIONS[name]())
    print(json.dumps([before, memory.peak_resident_bytes()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
