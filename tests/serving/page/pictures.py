"""Takes the pictures of the page for docs/images, of a server that runs.

usage: python -m tests.serving.page.pictures http://127.0.0.1:8000 docs/images
"""

import sys
import time
from pathlib import Path

from tests.serving.page.browser import browsing

_LOAD = """
(async () => {
  const ask = () => document.querySelector("#form").requestSubmit();
  for (let round = 0; round < 240; round++) {
    const rate = 4 + 3 * Math.sin(round / 12);
    for (let each = 0; each < rate; each++) ask();
    await new Promise((done) => setTimeout(done, 250));
  }
})()
"""
"""A minute of requests, now more and now fewer, so that the figures move."""


def take(address: str, folder: Path) -> None:
    """Take the pictures.

    Args:
        address: of the server.
        folder: where they are written.
    """
    with browsing() as page:
        page.look(height=1260)
        page.open(f"{address}/")
        page.until("document.querySelector('#fields input')")
        page.run(_LOAD)
        page.until("document.querySelector('#result strong')")
        (folder / "page.png").write_bytes(page.picture())
        page.open(f"{address}/docs")
        page.until("document.querySelector('.opblock')")
        time.sleep(1)  # for its icons
        (folder / "docs.png").write_bytes(page.picture())


if __name__ == "__main__":
    take(sys.argv[1], Path(sys.argv[2]))
