"""`python -m polyrhythm` is the command line."""

import sys

from polyrhythm.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
