"""What connects this package with other projects. None of them is imported unless asked for."""
