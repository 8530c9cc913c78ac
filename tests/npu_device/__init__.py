"""The public functions with device="npu": torch_npu over the simulated CANN runtime."""
