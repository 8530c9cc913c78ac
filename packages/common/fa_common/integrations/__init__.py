"""What connects the packages with other projects. None of these is imported unless asked for."""
