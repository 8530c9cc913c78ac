"""Both wheels in one process, forks, threads, and what import brings along."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from api.support import Wheel, load, normal


def work(wheel: Wheel) -> tuple[Tensor, Tensor]:
    """A call that is large enough for several threads."""
    q, k = normal(2, 64, 8, 32), normal(2, 512, 4, 32)
    return wheel.dense(q, k, k, causal=True)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_both_wheels_in_one_process() -> None:
    v2, v3 = load(2), load(3)
    out2, lse2 = work(v2)
    out3, lse3 = work(v3)
    assert torch.equal(out2, out3)
    assert torch.equal(lse2, lse3)
    assert v2.module.InvalidArgument is not v3.module.InvalidArgument
    with pytest.raises(v2.module.InvalidArgument):
        v2.module.flash_attn_func(*(normal(2, 3, 4),) * 3)
    with pytest.raises(v3.module.InvalidArgument):
        v3.module.flash_attn_func(*(normal(2, 3, 4),) * 3)


@pytest.mark.parametrize(
    "names", [("flash_attn", "flash_attn_interface"), ("flash_attn_interface", "flash_attn")]
)
def test_import_order_does_not_matter(names: tuple[str, str]) -> None:
    load(2), load(3)
    code = f"import {names[0]}, {names[1]}; print({names[0]}.flash_attn_func is not None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr


def test_import_brings_neither_compiler_nor_npu(wheel: Wheel) -> None:
    """Both would cost seconds, or a runtime that is not there."""
    code = (
        f"import sys, torch; before = set(sys.modules); import {wheel.name}; "
        "new = set(sys.modules) - before; "
        "print([m for m in new if m.startswith(('torch._dynamo', 'torch._inductor', 'torch_npu', "
        "'einops', 'triton', 'numpy'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


def test_thread_count_follows_torch(wheel: Wheel) -> None:
    native = importlib.import_module(f"{wheel.name}._C")
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        results.append(work(wheel))
        assert native.last_plan()["threads"] == count
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def _in_child(api: int, queue: Any) -> None:
    out, _ = work(load(api))
    queue.put(out.double().sum().item())


def test_fork_after_use(wheel: Wheel) -> None:
    """A forked child has none of the threads of its parent and must not wait for them."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    expected = work(wheel)[0].double().sum().item()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(wheel.api, queue))
    child.start()
    try:
        assert queue.get(timeout=60) == expected
    finally:
        child.join(10)
        child.kill()
    assert work(wheel)[0].double().sum().item() == expected


def test_calls_from_several_threads(wheel: Wheel) -> None:
    expected = work(wheel)[0]
    results: list[Tensor] = []
    callers = [threading.Thread(target=lambda: results.append(work(wheel)[0])) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert len(results) == 4
    assert all(torch.equal(out, expected) for out in results)


def test_default_device_of_torch_is_not_used(wheel: Wheel) -> None:
    """Workspaces and outputs go where the inputs are."""
    q, k = normal(1, 1, 4, 32), normal(1, 600, 2, 32)
    expected = wheel.module.flash_attn_with_kvcache(q, k, k, cache_seqlens=500, num_splits=3)
    with torch.device("meta"):
        out = wheel.module.flash_attn_with_kvcache(q, k, k, cache_seqlens=500, num_splits=3)
    assert torch.equal(out, expected)


def test_versions(wheel: Wheel) -> None:
    """Clients compare `flash_attn.__version__` with the interface level of the original."""
    assert wheel.module.__npu_version__.count(".") == 2
    if wheel.api == 2:
        assert wheel.module.__version__ == "2.8.3"


def test_other_distributions_may_add_subpackages(
    v2: Wheel, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "flash_attn"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "added_by_others.py").write_text("value = 3\n")
    code = (
        "import flash_attn.added_by_others as m, flash_attn; print(m.value, flash_attn.__version__)"
    )
    ours = os.path.dirname(os.path.dirname(v2.module.__file__))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([ours, str(tmp_path)])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout == "3 2.8.3\n", done.stderr


def test_report_names_what_matters(wheel: Wheel) -> None:
    info = importlib.import_module(f"{wheel.name}._common.info")
    facts = info.info()
    assert facts[f"flash-attn-npu-v{wheel.api}"] == wheel.module.__npu_version__
    assert facts["torch"] == torch.__version__
    assert facts["threads"] == str(torch.get_num_threads())
    assert info.report().count("\n") == len(facts) - 1


def test_report_of_the_command_line(wheel: Wheel) -> None:
    command = [sys.executable, "-m", wheel.name]
    done = [
        subprocess.run([*command, *options], capture_output=True, text=True, check=True).stdout
        for options in ([], ["--json"])
    ]
    facts = json.loads(done[1])
    assert facts["torch"] == torch.__version__ and "torch_npu" in facts
    assert done[0].splitlines() == [f"{name}: {text}" for name, text in facts.items()]


def in_process(wheel: Wheel, choice: str) -> str:
    """What a small call prints in a process with FLASH_ATTN_NPU_BACKEND=choice."""
    code = (
        f"import torch, {wheel.name} as m; x = torch.ones(1, 2, 1, 8)\n"
        "try: print(m.flash_attn_func(x, x, x).sum().item())\n"
        "except m.FlashAttnError as error: print(type(error).__name__, error)"
    )
    environment = os.environ | {"FLASH_ATTN_NPU_BACKEND": choice}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("choice", ["", "auto", "cpu"])
def test_the_cpu_is_the_usual_back_end(wheel: Wheel, choice: str) -> None:
    assert in_process(wheel, choice) == "16.0\n"


def test_a_back_end_that_does_not_exist(wheel: Wheel) -> None:
    message = "InvalidArgument FLASH_ATTN_NPU_BACKEND: got gpu, expected auto, cpu or npu\n"
    assert in_process(wheel, "gpu") == message


def test_a_build_without_npu_kernels_names_the_reason(wheel: Wheel) -> None:
    native = importlib.import_module(f"{wheel.name}._C")
    if dict(native.npu())["toolchain"] != "none":
        pytest.skip("this wheel has NPU kernels")
    text = in_process(wheel, "npu")
    assert text.startswith("BackendUnavailable no back end takes this call (npu: "), text
    assert "this build has no NPU kernels" in text
    assert "cpu: FLASH_ATTN_NPU_BACKEND is npu" in text
