"""A real browser without a window."""

import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)

needs_browser = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")


def open_page(page: Path, folder: Path, *arguments: str, wait_ms: int = 3000) -> str:
    """Open a page, give its scripts some time, and return the document as it is then."""
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={folder / 'profile'}",
            f"--virtual-time-budget={wait_ms}",
            *arguments,
            "--dump-dom",
            page.resolve().as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return done.stdout
