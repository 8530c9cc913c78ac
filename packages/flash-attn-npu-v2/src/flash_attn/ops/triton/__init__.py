"""Operators that are Triton kernels in the original; here native on the CPU, no Triton needed."""
