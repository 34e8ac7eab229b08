"""Shared by the tests of all probes: an assertion in the contract shows the values that differ."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.probes.contract")
