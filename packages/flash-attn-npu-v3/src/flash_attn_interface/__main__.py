"""Prints what is installed and in use, for bug reports."""

from ._common.info import main

if __name__ == "__main__":
    main()
