"""What the tests of the C simulation share."""

from __future__ import annotations

import pytest

from tests.simulation.batches import UNOPTIMISED, read_once

# The vendor's default constructor masks a word it never set; pragmas and labels are for the vendor's compiler.
WARNINGS = (
    *("-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-Wno-unused-label"),
    *("-Wno-uninitialized", "-Wno-maybe-uninitialized"),
)


@pytest.fixture(scope="session")
def flags() -> list[str]:
    """Options that make g++ read the headers precompiled, not optimise, and take a warning for an error."""
    return [*UNOPTIMISED, *read_once(), *WARNINGS]
