"""`python -m cli` is `cev`."""

from cli.start import main

main()
