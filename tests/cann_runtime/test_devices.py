"""Devices, contexts, configuration by the environment, entry points that are not simulated."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import ascsim_runtime
from ascsim_runtime import AclError
from cann_runtime.acl_calls import Acl, run_program
from cann_runtime.conftest import ROOT


def test_defaults(acl: Acl) -> None:
    assert acl.number("aclrtGetDeviceCount") == 1
    assert acl.number("aclrtGetDeviceInfo", 0, 101) == 24
    with pytest.raises(AclError, match="device 1: there are 1") as error:
        acl.call("aclrtSetDevice", 1)
    assert error.value.code == 107001


def test_a_thread_that_set_no_device(acl: Acl) -> None:
    def ask() -> list[int]:
        codes = []
        for entry in ("aclrtGetDevice", "aclrtGetCurrentContext"):
            with pytest.raises(AclError, match="the thread has set no device") as error:
                acl.call(entry, ctypes.byref(ctypes.c_void_p()))
            codes.append(error.value.code)
        return codes

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(ask).result() == [107002, 107002]


def test_configuration() -> None:
    done = run_program("devices.py", ASCSIM_DEVICES="3", ASCSIM_SOC="Ascend910B3", ASCSIM_CORES="7")
    assert done.stdout == "3 Ascend910B3 cores 7 vector 14 current 2\n", done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("ASCSIM_SOC", "Ascend310", "Ascend910B1, Ascend910B2"),
        ("ASCSIM_CORES", "25", "1 to 24"),
        ("ASCSIM_DEVICES", "two", "1 to 16"),
        ("ASCSIM_SCHEDULE", "random", "async, late or sync"),
    ],
)
def test_values_that_mean_nothing(variable: str, value: str, allowed: str) -> None:
    done = run_program("devices.py", **{variable: value})
    assert done.returncode == 2
    assert f"{variable}={value}: expected {allowed}" in done.stderr


def test_unsupported_entry_point_says_its_name(acl: Acl) -> None:
    with pytest.raises(AclError, match="HcclAllReduce: not simulated") as error:
        acl.call("HcclAllReduce")
    assert error.value.code == 207000


def test_operator_by_name_says_its_name(acl: Acl) -> None:
    with pytest.raises(AclError, match="operator Conv2D: no aclnn function") as error:
        acl.call("aclopCompileAndExecute", ctypes.c_char_p(b"Conv2D"))
    assert error.value.code == 100024


def test_invalid_handles(acl: Acl) -> None:
    for name in ("aclrtSynchronizeStream", "aclrtSynchronizeEvent", "aclrtDestroyEvent"):
        with pytest.raises(AclError, match=f"{name}: no such") as error:
            acl.call(name, 12345)
        assert error.value.code == 107017


TOOL = ROOT / "simulator/tools/simulated_npu.py"


def test_environment_is_for_eval() -> None:
    script = f'eval "$({sys.executable} {TOOL} env)" && {sys.executable} -c "{LOADS}"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "0 17\n"), done.stderr


LOADS = (
    "import ctypes, ascsim_runtime; l = ctypes.CDLL('libascendcl.so'); "
    "print(l.aclInit(None), len(ascsim_runtime.counters()))"
)


def test_run_starts_a_program() -> None:
    command = [sys.executable, str(TOOL), "run", sys.executable, "-c", LOADS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "0 17\n"), done.stderr


def test_no_command_is_usage() -> None:
    done = subprocess.run([sys.executable, str(TOOL)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "run python train.py" in done.stderr


def test_where_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASCSIM_CANN_LIB", "nowhere")
    with pytest.raises(FileNotFoundError, match="no simulated CANN runtime in nowhere"):
        ascsim_runtime.libraries()
