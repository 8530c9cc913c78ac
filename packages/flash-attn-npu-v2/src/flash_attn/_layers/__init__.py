"""What surrounds attention, as operators of this package: rotary embedding, norms, losses."""
