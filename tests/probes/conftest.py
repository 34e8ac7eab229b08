"""What tests of all probes share: a contract that fails says with which values."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.probes.contract")
