"""Makes failed assertions in the probe contract show the values that they compare."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.probes.contract")
