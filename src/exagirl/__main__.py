"""``python -m exagirl`` is ``exagirl``."""

import sys

from exagirl.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
