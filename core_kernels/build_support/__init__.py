"""How both wheels are built: the shared core once, then one small native module per package."""
