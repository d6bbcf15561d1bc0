"""Profiles: the effort that the tests make.

``ci`` is for every change. With ``CHAT_TESTS=nightly`` in the environment, tests that cost minutes
have their full size: more examples of hypothesis, more failures, more lines.
"""

from __future__ import annotations

import os
import random
from typing import Final, TypeVar

from hypothesis import settings

PROFILE: Final = os.environ.get("CHAT_TESTS", "ci")
NIGHTLY: Final = PROFILE == "nightly"

NOT_NIGHTLY: Final = None if NIGHTLY else "only with CHAT_TESTS=nightly"
"""The reason to skip a nightly test, or None: trial's attribute ``skip``."""

_T = TypeVar("_T")


def size(ci: _T, nightly: _T) -> _T:
    """Return the value for the profile of this run."""
    return nightly if NIGHTLY else ci


def examples(ci: int) -> int:
    """Return the number of examples of a property; ``ci`` is the number for every change."""
    return size(ci, 16 * ci)


def seed_of_run() -> int:
    """Print and return the random seed, which repeats a failed run as nearly as possible."""
    seed = int(os.environ.get("CHAT_SEED", random.randrange(1 << 32)))
    print(f"CHAT_SEED={seed}")
    return seed


def load() -> None:
    """Set hypothesis to the profile.

    :raises KeyError: if there is no such profile.
    """
    for name, most in (("ci", 100), ("nightly", 1600)):
        settings.register_profile(name, max_examples=most, deadline=None, print_blob=True)
    settings.load_profile(PROFILE)
