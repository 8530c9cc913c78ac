"""Test support: cases, fills, the fp64 oracle, the error model and the comparison."""
