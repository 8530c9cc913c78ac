"""Resident memory of this process, from the kernel's own counters (Linux)."""

from __future__ import annotations

from pathlib import Path


def resident_bytes() -> int:
    """Bytes of this process that are in memory now."""
    return _status_bytes("VmRSS")


def peak_resident_bytes() -> int:
    """The most bytes that were in memory at once since `reset_peak`, else since the start."""
    return _status_bytes("VmHWM")


def reset_peak() -> bool:
    """Lets the peak start again from what is resident now; False where that is not permitted."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")
