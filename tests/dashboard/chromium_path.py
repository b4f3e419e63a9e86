"""Where Chromium is."""

import os
import shutil

BROWSER = "RETIARII_TEST_BROWSER"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str:
    """Return the path of Chromium; the Makefile's target `browser` looks for the same names."""
    named = os.environ.get(BROWSER)
    for name in [named] if named else NAMES:
        if found := shutil.which(name):
            return found
    looked_for = f"{BROWSER}={named}" if named else ", ".join(NAMES)
    raise FileNotFoundError(
        f"No Chromium for the tests of the dashboard (looked for {looked_for}). Run `make browser` or "
        f"`apt-get install chromium`, or set {BROWSER} to its path."
    )
