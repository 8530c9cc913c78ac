"""Python between torch and the native core, shipped inside each wheel as `_common`."""
