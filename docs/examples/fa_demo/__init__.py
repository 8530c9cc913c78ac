"""The pieces of the demo: corpus, models, decoding, measuring. Used by the scripts beside it."""
