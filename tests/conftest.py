"""What pytest alone has to be told."""

from __future__ import annotations

import os

import pytest

from tests import time_limit


def pytest_configure(config: pytest.Config) -> None:
    """Have the stacks of a test that hangs written where they are seen at once."""
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        with capture.global_and_fixture_disabled():
            time_limit.write_stacks_to(os.dup(2))
