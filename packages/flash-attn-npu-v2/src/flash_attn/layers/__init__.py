"""Layers of models around attention."""
