"""`python -m metier`: the command line where the `metier` script is not on the path."""

from metier.cli import main

if __name__ == "__main__":
    main(prog_name="metier")
