"""Ten rounds of the crash loop; `make crash-loop` runs two hundred."""

from pathlib import Path

from tests.server.crash.crash_loop import CrashLoop


def test_no_promise_is_broken_by_killing(tmp_path: Path) -> None:
    books = CrashLoop(tmp_path / "loop", rounds=10, seed=20261129).run()
    assert books.violations == ()
    assert books.jobs >= 20
    assert books.server_kills + books.named_kills >= 10
