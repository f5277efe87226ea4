"""The page in a real browser."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtest.system.process import ServerProcess
from preprocessing import covertype
from tests.conftest import Start
from tests.helpers.gateway import gateway
from tests.helpers.support import Client, label
from tests.serving.page.browser import Page, browsing

pytestmark = pytest.mark.tool("chromium")

AWKWARD: dict[str, Any] = {
    "fields": [
        {"name": "it's"},
        {"name": "<b>bold</b>", "type": "integer", "missing": True},
        {"name": "flag", "type": "boolean", "missing": True},
        {"name": "sure", "type": "boolean"},
        {"name": "kind", "type": "category", "categories": ['O\'Neill & "sons"', "$(reboot) `id`", "</script>é😀"]},
        {"name": "1", "type": "category", "categories": ["0", "1"], "missing": True, "encoding": "ordinal"},
    ],
    "example": [3, None, True, False, 1, None],
}
"""A table whose names are a danger to whoever takes them for code."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    """One browser for all tests, for it takes long to start."""
    with browsing() as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Iterator[Page]:
    """A page in it, at which the browser has nothing to find fault with."""
    browser.open("about:blank")  # or the page of the last test would ask on
    browser.complaints.clear()
    browser.look()
    yield browser
    assert browser.complaints == []


def visit(page: Page, server: ServerProcess, path: str = "/") -> None:
    """Open the server's page."""
    page.open(f"http://{server.host}:{server.port}{path}")


def fill(page: Page, server: ServerProcess) -> None:
    """Open the server's page and wait for its form."""
    visit(page, server)
    page.until("document.querySelector('#fields input')")


def ask(page: Page) -> str:
    """Have the form sent by the keyboard; returns what the page says then."""
    page.run("document.querySelector('#result').textContent = ''")
    page.run("document.querySelector('#fields input').focus()")
    page.press("Enter", 13, "\r")
    page.until("!['', 'Asking …'].includes(document.querySelector('#result').textContent)")
    return page.text("#result")


def code(page: Page, language: str) -> str:
    """The request in a language."""
    page.run(f"document.querySelector('input[value={language}]').click()")
    return page.text("#snippet")


def words_of(command: str) -> list[str]:
    """What a shell has curl do."""
    script = f"curl() {{ printf '%s\\0' \"$@\"; }}\n{command}"
    return subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout.split("\0")[:-1]


def invalid(page: Page) -> dict[str, Any]:
    """The field that is marked as wrong and has the focus, and what is said of it."""
    page.until("document.activeElement.matches('[aria-invalid=true]')")
    found: dict[str, Any] = page.run(
        "(field => ({ name: field.labels[0].firstChild.data,"
        "marked: document.querySelectorAll('[aria-invalid]').length,"
        "said: document.getElementById(field.getAttribute('aria-describedby')).innerText }))(document.activeElement)"
    )
    return found


def test_the_form_asks_and_shows_the_answer(page: Page, quick: ServerProcess) -> None:
    """It comes filled in with the example; a key sends it, and the answer has a bar for each class."""
    fill(page, quick)
    assert page.run("[...document.querySelectorAll('#fields label')].map(each => each.firstChild.data)") == list(
        covertype.FIELDS
    )
    assert "BestModelRF/7" in page.text("#served")
    assert ask(page) == f"Prediction: {label(3000)}, with a probability of 100%"
    assert re.fullmatch(r"BestModelRF/7, by its stub engine, in [0-9][0-9,.]{0,4} ms", page.text("#origin"))
    rows = page.run("[...document.querySelectorAll('tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))")
    assert [row[0] for row in rows] == [str(label(3000)), *(str(each) for each in range(1, 8) if each != label(3000))]
    assert [row[1] for row in rows] == ["100%", *["0%"] * 6]
    widths = page.run("[...document.querySelectorAll('.bar')].map(bar => bar.getBoundingClientRect().width)")
    assert widths[0] > 100
    assert widths[1:] == [0] * 6
    page.write("#field-0", "2999")
    assert f"Prediction: {label(2999)}" in ask(page)
    page.run("document.querySelector('#restore').click()")
    assert f"Prediction: {label(3000)}" in ask(page)


def test_the_code_is_the_request(page: Page, start: Start) -> None:
    """In each language exactly what the form asks, whatever the names in it would mean to a shell or an interpreter."""
    with start(tables={"7": AWKWARD}) as server:
        fill(page, server)
        shown = page.run("[...document.querySelectorAll('#fields option')].map(each => each.text)")
        assert shown == [
            "(missing)",
            "false",
            "true",
            "false",
            "true",
            *AWKWARD["fields"][4]["categories"],
            "(missing)",
            "0",
            "1",
        ]
        answered = ask(page)
        assert f"Prediction: {label(3)}" in answered
        record = {"it's": 3, "<b>bold</b>": None, "flag": True, "sure": False, "kind": "$(reboot) `id`", "1": None}
        for kind in AWKWARD["fields"][4]["categories"]:
            page.run(
                f"(field => {{ field.value = {AWKWARD['fields'][4]['categories'].index(kind)};"
                "field.dispatchEvent(new Event('input', { bubbles: true })) })(document.querySelector('#field-4'))"
            )
            record["kind"] = kind
            words = words_of(code(page, "curl"))
            url = f"http://{server.host}:{server.port}/predict?probabilities=true"
            assert words[:5] == ["-s", url, "-H", "Content-Type: application/json", "-d"]
            assert json.loads(words[5]) == {"instances": [record]}
            document = Client(server).ask("POST", "/predict?probabilities=true", words[5].encode()).document
            assert document["prediction"] == [label(3)]
            done = subprocess.run(
                [sys.executable, "-c", code(page, "python")], capture_output=True, text=True, check=True
            )
            assert done.stdout.strip() == str(document)
            script = code(page, "javascript").replace("console.log(await response.json());", "return response.json();")
            assert page.run(f"(async () => {{ {script} }})()") == document


def test_a_fault_is_told_beside_its_field(page: Page, start: Start) -> None:
    """The server's words, with the focus there; whatever the field is called, and gone when it is mended."""
    with start(tables={"7": AWKWARD}) as server:
        fill(page, server)
        page.write("#field-1", "2.5")
        assert "The body does not fit the schema" in ask(page)
        fault = invalid(page)
        assert (fault["name"], fault["marked"]) == ("<b>bold</b>", 1)
        assert "expected a" in fault["said"].lower()
        page.complaints.clear()  # a browser tells of every 422
        page.write("#field-1", "2")
        assert page.run("document.querySelectorAll('[aria-invalid]').length") == 0
        assert f"Prediction: {label(3)}" in ask(page)
        page.run("document.querySelector('#field-0').value = ''")
        assert "The body does not fit the schema" in ask(page)
        assert invalid(page)["name"] == "it's"
        page.complaints.clear()


def test_a_model_without_probabilities_is_asked_without(page: Page, start: Start) -> None:
    """The code says so too from then on."""
    with start(labels_only=True) as server:
        fill(page, server)
        assert ask(page) == f"Prediction: {label(3000)}"
        page.complaints.clear()  # of the 422
        assert page.run("document.querySelector('#probabilities').childElementCount") == 0
        assert "/predict'" in code(page, "curl")
        assert ask(page) == f"Prediction: {label(3000)}"


def test_a_server_without_a_model_is_waited_for(page: Page, start: Start, tmp_path: Path) -> None:
    """The page says what it waits for; and it says when nobody answers any more."""
    gate = tmp_path / "go"
    with start(ready_within=None, load_after=str(gate)) as server:
        server.wait_until_listening(30)
        visit(page, server)
        page.until("document.querySelector('#served').textContent.includes('No model is loaded yet')")
        assert page.run("document.querySelector('#form').hidden")
        gate.touch()
        page.until("document.querySelector('#fields input')")
        assert "BestModelRF/7" in page.text("#served")
    page.until("document.querySelector('#served').textContent.includes('does not answer')")
    page.complaints.clear()


def test_a_version_with_other_fields_is_offered(page: Page, start: Start, tmp_path: Path) -> None:
    """The form stays until its user has it changed, and then keeps what the tables have in common."""
    version = tmp_path / "version"
    version.write_text("7")
    tables = {"7": ["height", "width"], "8": ["height", "depth", "weight"]}
    with start("--model-poll-seconds", "0.1", tables=tables, version=str(version)) as server:
        fill(page, server)
        page.write("#field-0", "12")
        version.write_text("8")
        page.until("!document.querySelector('#changed').hidden")
        assert "BestModelRF/8 has other fields" in page.text("#changed")
        assert page.run("document.querySelectorAll('#fields input').length") == 2
        page.run("document.querySelector('#changed button').click()")
        assert page.run("[...document.querySelectorAll('#fields input')].map(each => each.value)") == ["12", "0", "0"]
        assert page.run("document.querySelector('#changed').hidden")
        assert "Prediction" in ask(page)


def test_a_thousand_fields_can_be_looked_through(page: Page, start: Start) -> None:
    """A field is found by a part of its name; one that is wrong is shown again."""
    with start(tables={"7": [f"pixel_{number}" for number in range(1000)]}) as server:
        fill(page, server)
        assert page.text("#found") == "1000 fields"
        page.write("#find", "XEL_99")
        assert page.text("#found") == "11 of 1000 fields"
        assert page.run("[...document.querySelectorAll('.field')].filter(each => each.checkVisibility()).length") == 11
        page.run("document.querySelector('#field-500').value = '1e300'")
        ask(page)
        assert invalid(page)["name"] == "pixel_500"
        page.complaints.clear()


def test_figures_move(page: Page, quick: ServerProcess) -> None:
    """From one look to the next; each with its course, in words too."""
    fill(page, quick)
    client = Client(quick)
    give_up = time.monotonic() + 60
    while not page.run("parseFloat(document.querySelector('dd').innerText) > 0"):
        assert time.monotonic() < give_up
        client.predict(1, 2, 3)
    titles = page.run("[...document.querySelectorAll('dt')].map(each => each.innerText)")
    values = page.run("[...document.querySelectorAll('dd')].map(each => each.innerText.trim())")
    courses = page.run("[...document.querySelectorAll('dd svg')].map(each => each.ariaLabel)")
    figures = dict(zip(titles, values, strict=True))
    assert float(figures["Rows a batch"]) >= 1
    assert float(figures["Queue wait, ms"]) > 0
    assert float(figures["CPU, % of a core"]) > 0
    assert float(figures["Memory, MB"]) > 10
    for title, course in zip(titles, courses, strict=True):
        assert course.startswith(f"{title}: ")
        assert "at most" in course
    assert page.run("document.querySelector('polyline').getAttribute('points')")


def test_everything_can_be_used_by_keyboard_and_has_a_name(page: Page, quick: ServerProcess) -> None:
    """As the browser itself tells assistive programs; and each tab stop is one of these."""
    fill(page, quick)
    ask(page)
    nodes = page.ask("Accessibility.getFullAXTree")["nodes"]
    seen = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")]
    operated = {"button", "combobox", "link", "radio", "searchbox", "spinbutton", "textbox"}
    assert not [role for role, name in seen if role in operated | {"image", "region", "navigation"} and not name]
    names = [name for role, name in seen if role in operated]
    assert {*covertype.FIELDS, "Predict", "Copy", "Python", "The API", "Skip to the form"} <= set(names)
    assert ("main", "") in seen
    page.run("document.activeElement.blur(); document.querySelector('.skip').focus()")
    stops = set()
    for _ in range(40):
        stops.add(page.run("document.activeElement.id || document.activeElement.textContent"))
        page.press("Tab", 9)
    assert {"Skip to the form", "field-0", "field-11", "Predict", "snippet", "copy", "The API"} <= stops


def test_code_is_copied_or_selected(page: Page, quick: ServerProcess) -> None:
    """Selected where the browser lets no page write to the clipboard."""
    fill(page, quick)
    page.run("Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })")
    page.run("document.querySelector('#copy').click()")
    page.until("document.querySelector('#copied').textContent")
    assert page.text("#copied").startswith("Selected")
    assert page.run("getSelection().toString()").strip() == page.text("#snippet").strip()


def test_a_proxy_may_give_it_a_prefix(page: Page, quick: ServerProcess) -> None:
    """The page asks beside its own address, and says so in the code."""
    with gateway(f"http://{quick.host}:{quick.port}", prefix="/some/canopy") as proxy:
        page.open(f"http://127.0.0.1:{proxy.port}/some/canopy/")
        page.until("document.querySelector('#fields input')")
        assert "Prediction" in ask(page)
        assert f"http://127.0.0.1:{proxy.port}/some/canopy/predict?probabilities=true" in page.text("#snippet")
        assert page.run("document.querySelector('nav a').href") == f"http://127.0.0.1:{proxy.port}/some/canopy/docs"
        assert {path.partition("?")[0] for _, path, _ in proxy.asked} >= {
            "/some/canopy/page/page.js",
            "/some/canopy/predict",
        }
        assert all(path.startswith("/some/canopy/") for _, path, _ in proxy.asked if path != "/favicon.ico")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_fits_a_narrow_window(page: Page, quick: ServerProcess, *, dark: bool) -> None:
    """Nothing has to be pushed sideways, and text can be told from its ground."""
    page.look(width=360, height=800, dark=dark)
    fill(page, quick)
    ask(page)
    assert page.run("document.documentElement.scrollWidth") <= 360
    ground, ink = (
        page.run(f"getComputedStyle(document.documentElement).{each}") for each in ("backgroundColor", "color")
    )
    assert ground != ink
    assert (sum(map(int, ground.strip("rgb()").split(","))) < 200) == dark


def test_the_viewer_draws_the_document(page: Page, quick: ServerProcess) -> None:
    """Swagger UI, from this server alone, with a request of its own tried out."""
    visit(page, quick, "/docs")
    page.until("document.querySelector('#operations-server-live')")
    assert "Canopy: BestModelRF" in page.text("#viewer")
    page.run("document.querySelector('#operations-server-live .opblock-summary-control').click()")
    page.until("document.querySelector('.try-out__btn')")
    page.run("document.querySelector('.try-out__btn').click()")
    page.until("document.querySelector('.execute')")
    page.run("document.querySelector('.execute').click()")
    page.until("document.querySelector('.live-responses-table').innerText.includes('\"status\": \"live\"')")
    addresses = page.run("performance.getEntriesByType('resource').map(each => each.name)")
    assert all(each.startswith((f"http://{quick.host}:{quick.port}/", "data:")) for each in addresses)


def test_a_page_of_another_origin_asks_where_it_may(page: Page, quick: ServerProcess, start: Start) -> None:
    """With headers of Canopy's, for which the browser asks first; where it may not, it gets to know nothing."""
    ours = f"http://{quick.host}:{quick.port}"
    page.open(f"{ours}/health/live")  # which has no policy of its own
    page.until("document.body.innerText.includes('live')")
    body = json.dumps(json.dumps({"features": covertype.EXAMPLE}))
    asking = (
        "(address => fetch(address, { method: 'POST', body: BODY,"
        "headers: { 'Content-Type': 'application/json', 'Canopy-Timing': 'true' } })"
        ".then(async each => [each.headers.get('Canopy-Model'), each.headers.get('Server-Timing'), await each.json()])"
        ".catch(error => error.name))"
    ).replace("BODY", body)
    with start("--cors-origins", ours) as allowing, start() as other:
        model, timing, document = page.run(f"{asking}('http://{allowing.host}:{allowing.port}/predict')")
        assert (model, document) == ("BestModelRF/7", {"prediction": [label(3000)]})
        assert timing.startswith("queue;dur=")
        assert page.run(f"{asking}('http://{other.host}:{other.port}/predict')") == "TypeError"
    assert any("has been blocked by CORS policy" in each for each in page.complaints)
    page.complaints.clear()
