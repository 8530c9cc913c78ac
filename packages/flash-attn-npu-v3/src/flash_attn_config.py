"""Which features of the original's build are left out of this one: none."""

# Names of the original's build flags. Hardware that this build does not address (clusters, SM8x)
# is not a feature of calls, so those two say that it is missing.
_FEATURES = (
    *("BACKWARD", "SPLIT", "PAGEDKV", "APPENDKV", "LOCAL", "SOFTCAP", "PACKGQA", "FP16", "FP8"),
    *("VARLEN", "HDIM64", "HDIM96", "HDIM128", "HDIM192", "HDIM256"),
    *("HDIMDIFF64", "HDIMDIFF192"),
)
_HARDWARE = ("CLUSTER", "SM8x")

CONFIG = {
    "build_flags": {
        **{f"FLASHATTENTION_DISABLE_{name}": False for name in _FEATURES},
        **{f"FLASHATTENTION_DISABLE_{name}": True for name in _HARDWARE},
    }
}


def show() -> None:
    """Prints the flags."""
    for name, value in CONFIG["build_flags"].items():
        print(f"{name}: {value}")


__all__ = ["CONFIG", "show"]
