"""The demo's folder goes away, sooner or later."""

import os
import tempfile
from pathlib import Path

import pytest

from bot.demo.throwaway import throwaway_folder


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def make_older(folder: Path) -> None:
    os.utime(folder / "in-use.lock", (0, 0))


def test_it_is_there_for_a_while_and_then_gone() -> None:
    with throwaway_folder() as folder:
        (folder / "file").write_text("x")
        assert folder.is_dir()

    assert not folder.exists()


def test_one_that_was_forgotten_is_removed_and_one_in_use_is_kept(
    tmp_path: Path,
) -> None:
    forgotten = tmp_path / "order-notifications-demo-forgotten"
    forgotten.mkdir()
    (forgotten / "in-use.lock").touch()
    make_older(forgotten)
    unrelated = tmp_path / "order-notifications-demo-unrelated"
    unrelated.mkdir()

    with throwaway_folder() as in_use:
        make_older(in_use)
        with throwaway_folder():
            assert in_use.exists()

    assert not forgotten.exists()
    assert unrelated.exists()
