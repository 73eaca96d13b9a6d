"""`python -m subtheory` is the command line."""

import sys

from subtheory.cli import main

if __name__ == "__main__":
    sys.exit(main())
