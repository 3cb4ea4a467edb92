"""What the tests of the C simulation share."""

from __future__ import annotations

import pytest

from flow.tools import ap_headers, program, run

# The vendor's default constructor masks a word it never set; pragmas and labels are for the vendor's compiler.
WARNINGS = (
    *("-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-Wno-unused-label"),
    *("-Wno-uninitialized", "-Wno-maybe-uninitialized"),
)


@pytest.fixture(scope="session")
def flags(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options that make g++ read the headers precompiled, once for all graphs."""
    header = tmp_path_factory.mktemp("headers") / "shared.h"
    header.write_text("#include <ap_fixed.h>\n")
    flags = ["-std=c++11", "-O0", "-isystem", ap_headers(), "-x", "c++-header"]
    run([program("g++"), *flags, header, "-o", f"{header}.gch"])
    return ["-O0", "-include", str(header), *WARNINGS]
