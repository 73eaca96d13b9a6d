"""`python -m subtheory` is the command line."""

from subtheory.cli import program

if __name__ == "__main__":
    program()
