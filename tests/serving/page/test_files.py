"""What browsers are given, as it comes over the wire."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from loadtest.system.process import ServerProcess
from serving.page.routes import FILES
from tests.helpers.support import Answer, Wire, request

BROWSER = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
OWN = sorted(FILES.iterdir())
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def get(server: ServerProcess, target: str, *headers: str) -> Answer:
    """Ask as a browser does."""
    return Wire(server).ask(request(b"", *headers, method="GET", target=target))


class References(HTMLParser):
    """The addresses in a page, and what in it is no reference though it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See ``HTMLParser``."""
        given = dict(attrs)
        self.addresses += [address for name in ("href", "src") if (address := given.get(name))]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]


def referred(path: str, text: str) -> Iterator[str]:
    """What a file refers to, as paths from the root."""
    if path.endswith(".js"):
        for name in re.findall(r'from "\./([^"]+)"', text):
            yield f"/page/{name}"
    elif not path.startswith("/page/"):
        for address in References(text).addresses:
            if not address.startswith("#"):
                yield "/" + address.removeprefix("./")


def test_browsers_get_the_page_and_all_others_json(quick: ServerProcess) -> None:
    """At one address, which caches are told."""
    page, others = get(quick, "/", BROWSER), [get(quick, "/"), get(quick, "/", "Accept: */*")]
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.body == (FILES / "index.html").read_bytes()
    for other in others:
        assert other.headers["content-type"] == "application/json"
        assert other.document["name"] == "canopy-serve"
        assert "GET /docs" in other.document["endpoints"]
    assert [answer.headers["vary"] for answer in (page, *others)] == ["Accept"] * 3


@pytest.mark.parametrize("accept", [BROWSER, "Accept: */*"])
def test_a_head_is_that_of_the_same_answer(quick: ServerProcess, accept: str) -> None:
    """Without its body."""
    wire = Wire(quick)
    whole = wire.ask(request(b"", accept, method="GET", target="/"))
    wire.send(request(b"", accept, method="HEAD", target="/"))
    head = wire.receive(head_only=True)
    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, "date": ""} == {**whole.headers, "date": ""}
    assert wire.ask(request(method="GET", target="/health/live")).status == 200


def test_everything_that_is_referred_to_is_there_and_nothing_else(quick: ServerProcess) -> None:
    """From the page and the viewer on: with its type, its rules for the browser, and no file that nobody loads."""
    found: dict[str, str] = {}
    waiting = ["/", "/docs"]
    while waiting:
        path = waiting.pop()
        if path in found or path in {"/openapi.json", "/health/ready", "/stats", "/metrics"}:
            continue
        answer = get(quick, path, BROWSER)
        assert answer.status == 200, path
        assert answer.headers["content-type"] == KINDS[Path(path).suffix or ".html"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-cache"
        found[path] = answer.body.decode()
        waiting += referred(path, found[path])
    assert {f"/page/{path.name}" for path in OWN if path.suffix != ".html"} <= set(found)
    assert set(found) - {f"/page/{path.name}" for path in OWN} == {
        "/",
        "/docs",
        "/page/swagger-ui-bundle.js",
        "/page/swagger-ui.css",
    }


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_the_page_needs_no_other_server(path: Path) -> None:
    """No file of its own names one, and every address is relative, so that a proxy may give the page a prefix."""
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")  # which is a name
    assert not re.search(r"https?:|[\"'(]//", text)
    if path.suffix == ".html":
        references = References(text)
        assert references.inline == []
        assert not [address for address in references.addresses if address.startswith("/")]


def test_nothing_may_run_but_what_the_server_sends(quick: ServerProcess) -> None:
    """A strict policy goes with the page; the viewer's differs in one word, which lets it draw its icons."""
    page, viewer = (get(quick, path, BROWSER).headers["content-security-policy"] for path in ("/", "/docs"))
    directives = dict(each.strip().split(" ", 1) for each in page.split(";"))
    assert directives == {
        "default-src": "'none'",
        **dict.fromkeys(("script-src", "style-src", "img-src", "connect-src"), "'self'"),
        **dict.fromkeys(("base-uri", "form-action", "frame-ancestors"), "'none'"),
    }
    assert viewer.replace("img-src 'self' data:", "img-src 'self'") == page


@pytest.mark.parametrize("path", ["/", "/docs", "/page/page.js", "/page/swagger-ui-bundle.js"])
def test_what_a_browser_has_is_not_sent_again(quick: ServerProcess, path: str) -> None:
    """304, with the same tag; a file that has changed has another."""
    wire = Wire(quick)
    tag = wire.ask(request(b"", BROWSER, method="GET", target=path)).headers["etag"]
    for known in (tag, f'W/{tag}, "other"', "*"):
        wire.send(request(b"", BROWSER, f"If-None-Match: {known}", method="GET", target=path))
        again = wire.receive(head_only=True)
        assert (again.status, again.headers["etag"]) == (304, tag)
        assert "content-security-policy" in again.headers
    assert wire.ask(request(b"", BROWSER, 'If-None-Match: "other"', method="GET", target=path)).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("POST", "/", 405, id="post"),
        pytest.param("POST", "/page/page.js", 405, id="post-a-file"),
        pytest.param("GET", "/page/", 404, id="folder"),
        pytest.param("GET", "/page/index.html", 404, id="another-name"),
        pytest.param("GET", "/page/../page/page.js", 404, id="dots"),
        pytest.param("GET", "/page/..%2froutes.py", 404, id="escape"),
        pytest.param("GET", "/docs/", 404, id="slash"),
    ],
)
def test_there_is_nothing_beside(quick: ServerProcess, method: str, path: str, status: int) -> None:
    """A path counts to the letter, and leads to no other file."""
    answer = Wire(quick).ask(request(b"", BROWSER, method=method, target=path))
    assert answer.status == status
    assert answer.kind


def test_the_viewer_is_counted_and_its_files_are_others(quick: ServerProcess) -> None:
    """In the metrics: a label for a route of the API's only."""
    get(quick, "/docs")
    counts = quick.get("/stats")["requests"]
    assert counts["/docs"]["200"] >= 1
    assert not [route for route in counts if route.startswith("/page")]
