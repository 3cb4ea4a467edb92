"""`python -m flow` is the command `flow`."""

from flow.cli import main

main()
