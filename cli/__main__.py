"""`python -m cli` is `cev`."""

from cli.main import main

main()
