"""Tests of the Python layer: what a caller of the public functions meets besides numbers."""
