"""Run the command ``rtmon`` as ``python -m rtmon``."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
