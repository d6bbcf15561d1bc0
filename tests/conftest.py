"""What pytest alone has to be told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests import at_end, time_limit

INSTALLING = ("test_install.py", "test_growing.py")
"""The files whose tests share an environment."""


def pytest_configure(config: pytest.Config) -> None:
    """Have the stacks of a test that hangs written where they are seen at once."""
    config.addinivalue_line("markers", "alone: nothing may run beside it")
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        with capture.global_and_fixture_disabled():
            time_limit.write_stacks_to(os.dup(2))


def pytest_sessionfinish() -> None:
    """End what the tests of this process shared."""
    at_end.end()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell which tests are to be alone, and begin with those that take long.

    Which lines the models run is not looked at: it takes three times as long, and other tests have
    to run these lines, too.
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
    """Gives the tests of a class to one process: the class may have made something for all of them.

    The markers of pytest-xdist would do the same, but do nothing with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        """Name those that one process has to run, of which this is one."""
        file = nodeid.partition("::")[0].rpartition("/")[2]
        return "installing" if file in INSTALLING else nodeid.rpartition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Share the tests out among the processes."""
    return Scheduling(config, log)
