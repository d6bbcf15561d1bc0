"""What pytest alone has to be told."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from tests import at_end, time_limit

INSTALLING = ("test_install.py", "test_growing.py")
"""The files whose tests share an environment."""


def pytest_configure(config: pytest.Config) -> None:
    """Have the stacks of a test that hangs written where they are seen at once."""
    config.addinivalue_line("markers", "alone: it measures how fast something is")
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        with capture.global_and_fixture_disabled():
            time_limit.write_stacks_to(os.dup(2))


def pytest_sessionfinish() -> None:
    """End what the tests of this process shared."""
    at_end.end()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """Tell which tests one process has to run, and begin with those that take long.

    Those are of a class, which may have made something for all of them. This is before pytest-xdist
    looks at it, which is as early as only a wrapper can be earlier.
    """
    for item in items:
        of = "installing" if item.path.name in INSTALLING else item.nodeid.rpartition("::")[0]
        item.add_marker(pytest.mark.xdist_group(of))
        if getattr(item.cls, "alone", False):
            item.add_marker("alone")
    items.sort(key=lambda item: "integration" not in item.path.parts)
    return (yield)
