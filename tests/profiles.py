"""How much the tests try.

``ci`` is for every change. With ``CHAT_TESTS=nightly`` in the environment, what costs minutes has
its full size: hypothesis tries more, more fails, more is said.
"""

from __future__ import annotations

import os
import random
from typing import Final, TypeVar

from hypothesis import settings

PROFILE: Final = os.environ.get("CHAT_TESTS", "ci")
NIGHTLY: Final = PROFILE == "nightly"

NOT_NIGHTLY: Final = None if NIGHTLY else "only with CHAT_TESTS=nightly"
"""Why what is only for the night is skipped: a ``skip`` of trial's."""

_T = TypeVar("_T")


def size(ci: _T, nightly: _T) -> _T:
    """Return the one that is right for this run."""
    return nightly if NIGHTLY else ci


def examples(ci: int) -> int:
    """Return how many examples of a property are tried, where ``ci`` are for every change."""
    return size(ci, 16 * ci)


def seed_of_run() -> int:
    """Return what repeats a run that failed, as nearly as that is possible; it is printed."""
    seed = int(os.environ.get("CHAT_SEED", random.randrange(1 << 32)))
    print(f"CHAT_SEED={seed}")
    return seed


def load() -> None:
    """Have hypothesis go by the profile.

    :raises KeyError: if there is no such profile.
    """
    for name, most in (("ci", 100), ("nightly", 1600)):
        settings.register_profile(name, max_examples=most, deadline=None, print_blob=True)
    settings.load_profile(PROFILE)
