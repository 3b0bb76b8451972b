"""The chaos run in short: every kind of fault happens at least once."""

import os
import subprocess
import sys

import pytest

from tests.soak.fleet import ROOT

# On two free cores it takes half a minute; this one may be busy.
LONGEST_SECONDS = 400
# Outside of what goes away with this run of the tests; git ignores it.
KEPT = ROOT / "test-results"


@pytest.mark.takes_minutes
@pytest.mark.timeout(LONGEST_SECONDS + 20)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_no_row_is_lost_stuck_or_sent_twice_without_a_reason(database):
    KEPT.mkdir(exist_ok=True)
    results = KEPT / f"soak-{database}-{os.getpid()}.jsonl"
    arguments = ["--database", database, "--minutes", "0.1", "--results", str(results)]

    soak = subprocess.run(
        [sys.executable, "-m", "tests.soak", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )

    print(soak.stdout)
    assert soak.returncode == 0, f"Raw results: {results}"
    assert "All is well." in soak.stdout, f"Raw results: {results}"
    results.unlink()
