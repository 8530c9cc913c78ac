"""The examples of training, serving, windows, context parallelism and migration."""

from __future__ import annotations

import difflib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fa_demo import packed_gpt, serving
from flash_attn_interface import flash_attn_with_kvcache

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs/examples"


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_packed_training() -> None:
    assert "loss fell by a fifth or more: yes" in run("packed_training.py", "--quick")


@pytest.mark.slow
def test_continuous_batching() -> None:
    output = run("continuous_batching.py", "--quick")
    assert "without a cache: yes" in output
    assert "pages given back: 40 of 40" in output


@pytest.mark.slow
def test_sliding_window() -> None:
    output = run("sliding_window.py", "--quick")
    assert "tokens identical to those without a cache: yes" in output
    assert "without a window: yes" in output


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["2", "3"])
def test_context_parallel(processes: str) -> None:
    output = run("context_parallel.py", "--processes", processes, "--tokens", "48")
    assert output.count("difference of out") == 2
    assert "equal to attention in one process: yes" in output


def test_migrated_script() -> None:
    output = run("migration/any_device.py")
    assert output.startswith("loss ")
    assert "after 8 tokens" in output


def test_difference_of_the_migration_is_shown() -> None:
    before, after = (
        (EXAMPLES / "migration" / name).read_text().splitlines()
        for name in ("cuda.py", "any_device.py")
    )
    lines = difflib.unified_diff(before, after, "cuda.py", "any_device.py", lineterm="", n=0)
    shown = (EXAMPLES / "migration/README.md").read_text()
    assert "\n".join(["```diff", *lines, "```"]) in shown


def tiny_model() -> packed_gpt.PackedGPT:
    torch.manual_seed(0)
    return packed_gpt.PackedGPT(width=32, layers=1, heads=2, kv_heads=1).eval()


@pytest.mark.parametrize("window", [None, 6])
@pytest.mark.parametrize("page_size", [1, 4])
def test_every_schedule_gives_the_same_tokens(window: int | None, page_size: int) -> None:
    model = tiny_model()
    prompts = [[7, 8, 9] * 7, [5], [1, 2, 3]]
    server = serving.Server(model, 48 // page_size, page_size, budget=5, window=window)
    requests = [serving.Request(prompt, 9) for prompt in prompts]
    for request in requests:
        server.submit(request)
    server.run()
    for request in requests:
        expected = packed_gpt.continue_without_cache(model, request.prompt, 9, window)
        assert request.made == expected
    assert sorted(server.free) == list(range(48 // page_size))


def test_requests_wait_for_pages() -> None:
    server = serving.Server(tiny_model(), 4, 4, budget=8)
    for _ in range(3):
        server.submit(serving.Request([1, 2, 3, 4, 5], 6))
    server.run()
    assert server.largest_batch == 1
    server.submit(serving.Request([1] * 20, 6))
    with pytest.raises(ValueError, match="more than all 4 pages"):
        server.step()


def test_a_wrong_table_changes_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    original: Callable[..., Any] = flash_attn_with_kvcache

    def broken(*arguments: Any, **named: Any) -> Any:
        named["page_table"] = named["page_table"].flip(1)
        return original(*arguments, **named)

    model, request = tiny_model(), serving.Request([1, 2, 3, 4, 5, 6], 12)
    monkeypatch.setattr(serving, "flash_attn_with_kvcache", broken)
    server = serving.Server(model, 8, 4)
    server.submit(request)
    server.run()
    assert request.made != packed_gpt.continue_without_cache(model, request.prompt, 12)
