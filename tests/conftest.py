"""Settings for pytest alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests import at_end, time_limit

INSTALLING = ("test_install.py", "test_growing.py")
"""The files whose tests share a virtual environment."""


def pytest_configure(config: pytest.Config) -> None:
    """Write the stacks of a hanging test to the real standard error, where they show at once."""
    config.addinivalue_line("markers", "alone: nothing may run beside it")
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        with capture.global_and_fixture_disabled():
            time_limit.write_stacks_to(os.dup(2))


def pytest_sessionfinish() -> None:
    """Clean up the parts shared by the tests of this process."""
    at_end.end()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that must run alone, and put the slow ones first.

    Coverage is not measured in the models: it takes three times as long, and other tests must
    cover these lines, too.
    """
    for item in items:
        if getattr(item.cls, "alone", False):
            item.add_marker("alone")
        if _is_model(item.path):
            item.add_marker("no_cover")
    items.sort(key=lambda item: not (_is_model(item.path) or "integration" in item.path.parts))


def _is_model(file: Path) -> bool:
    return file.stem.endswith("_model")


class Scheduling(LoadScopeScheduling):
    """Gives all tests of a class to one process, since the class may share parts among them.

    The markers of pytest-xdist would do the same, but have no effect with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        """Return the name of the group of tests, for one process, to which a test belongs."""
        file = nodeid.partition("::")[0].rpartition("/")[2]
        return "installing" if file in INSTALLING else nodeid.rpartition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Return the scheduler that distributes the tests."""
    return Scheduling(config, log)
