"""Operators around attention."""
