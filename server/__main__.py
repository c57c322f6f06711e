"""`python -m server` is `lodsmith serve`."""

import sys

from server.cli import main

if __name__ == "__main__":
    sys.argv.insert(1, "serve")
    main()
