"""Artifacts made to do harm, with checksums that fit: each is refused, or answers; none crashes, hangs or grows."""

import json
import math
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from forest import CompiledEngine, compile_forest
from forest.artifact import BadArtifact, Origin, Parity, read, write
from forest.links import Link
from tests.conftest import ROOT
from tests.forest.conftest import Written
from tests.forest.ensembles import draw_ensemble
from tests.forest.files import tampering
from tests.forest.files.tampering import Header, changed, header, mend, sections, with_header, with_numbers
from tests.forest.forests import Grown


def load(path: Path, content: bytes) -> CompiledEngine:
    """Load what may be an artifact."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    return CompiledEngine.load(path)


def refused(path: Path, content: bytes) -> str:
    """Load what must be refused; returns the message, which names the file."""
    with pytest.raises(BadArtifact) as raised:
        load(path, content)
    # Whoever only reads it must meet no other error; some of the faults are for the kernel to find.
    with suppress(BadArtifact):
        read(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: is damaged: ")
    return message


def test_mending_changes_nothing_in_a_whole_file(written: Written) -> None:
    """The helpers of these tests take an artifact apart and put it together as it was."""
    assert mend(written.content) == written.content
    found = header(written.content)
    compact = json.dumps(found, separators=(",", ":")).encode()
    assert with_header(written.content, compact) == written.content
    for name in ("words", "trees", "thresholds", "offsets", "leaves"):
        assert with_numbers(written.content, name, lambda _: None) == written.content


def test_a_longer_header_with_the_same_content_is_read(written: Written, tiny: Grown, scratch: Path) -> None:
    """What a header says counts, not how it is spaced: so the hostile ones below are refused for what they say."""
    engine = load(scratch / "spaced", changed(written.content, lambda _: None))
    assert engine.predict(tiny.matrix).labels.tolist() == tiny.estimator.predict(tiny.matrix).tolist()


def put(*path: str, value: object) -> Callable[[Header], None]:
    """A change of one value in a header."""

    def change(head: Header) -> None:
        at: Any = head
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value

    return change


def drop(*path: str) -> Callable[[Header], None]:
    """The removal of one value from a header."""

    def change(head: Header) -> None:
        at: Any = head
        for key in path[:-1]:
            at = at[key]
        del at[path[-1]]

    return change


def turn(head: Header) -> None:
    """Exchange the dimensions of the words."""
    head["shapes"]["words"].reverse()


def rename(head: Header) -> None:
    """Give the arrays their names in another order."""
    head["shapes"] = dict(reversed(head["shapes"].items()))


FIELDS = (
    "shapes",
    "key_bits",
    "classes",
    "class_type",
    "columns",
    "nodes",
    "depth",
    "origin",
    "parity",
    "versions",
)

HEADERS = [
    *(pytest.param(drop(name), id=f"no-{name}") for name in FIELDS),
    *(pytest.param(put(name, value={"a": [[{}]]}), id=f"nested-{name}") for name in FIELDS),
    *(pytest.param(drop("shapes", name), id=f"no-shape-of-{name}") for name in tampering.ARRAYS),
    *(
        pytest.param(put("shapes", name, value=shape), id=f"{name}-{shape}")
        for name in tampering.ARRAYS
        for shape in (
            [],
            [0],
            [-1],
            [2**31],
            [2**62],
            [2**63],
            [2**64],
            [10**30],
            [0, 0],
            [0, 16],
            [0, 2**62],
            [2**40, 0],
            [2**58, 16],
            [2**60, 16],
            [2**63, 16],
            [-1, 16],
            [-1, -16],
            [-(2**63), 2],
            [1, 1, 1],
            [1] * 100,
        )
        if (name, shape) != ("sets", [0])  # which it has
    ),
    pytest.param(turn, id="words-turned"),
    pytest.param(rename, id="shapes-in-another-order"),
    pytest.param(put("shapes", "more", value=[0]), id="one-array-more"),
    pytest.param(put("more", value=1), id="one-field-more"),
    pytest.param(put("origin", value={"model": "a", "more": "b"}), id="origin-with-more"),
    pytest.param(put("parity", "rows", value="many"), id="parity-of-words"),
    pytest.param(put("nodes", value=0), id="no-nodes"),
    pytest.param(put("nodes", value=-1), id="negative-nodes"),
    pytest.param(put("depth", value=-1), id="negative-depth"),
    *(
        pytest.param(put("key_bits", value=bits), id=f"feature-bits-{bits}")
        for bits in (0, -1, 1, 25, 33, 2**31, 2**32 + 2, 2**40, 2**63, -(2**63), 10**30)
    ),
    *(
        pytest.param(put("class_type", value=type_), id=f"class-type-{type_}")
        for type_ in (
            "",
            "O",
            "|O",
            "V8",
            "<M8[s]",
            "<m8[s]",
            "M8[7foo]",
            "<U1000000000",
            "<U99999999999999999999",
            "<U0",
            "<U999999",
            "<f16",
            "S4",
            "a4",
            "T",
            "c16",
            "i4,f8",
            "(3,)i4",
            "(99999999,99999999)i4",
            "(1,",
            ",,,",
            "f8, (",
            "{}",
            "\0",
            "\N{DECIDUOUS TREE}",
            "x" * 100_000,
        )
    ),
    *(
        pytest.param(put("classes", value=classes), id=f"classes-{name}")
        for name, classes in {
            "none": [],
            "one-less": [0, 1],
            "one-more": [0, 1, 2, 3],
            "strings": ["0", "1", "2"],
            "fractions": [0.5, 1.5, 2.5],
            "too-great": [0, 1, 2**64],
            "far-too-great": [0, 1, 10**300],
            "nulls": [None, None, None],
            "lists": [[0], [1], [2]],
        }.items()
    ),
    *(
        pytest.param(put("columns", value=columns), id=f"columns-{name}")
        for name, columns in {
            "none": [],
            "one-less": ["a", "b"],
            "one-more": ["a", "b", "c", "d"],
            "numbers": [1, 2, 3],
            "string": "abc",
        }.items()
    ),
]
"""Changes of a header, none of which an artifact may have."""


@pytest.mark.parametrize("change", HEADERS)
def test_a_header_that_does_not_fit_is_refused(
    written: Written, scratch: Path, change: Callable[[Header], None]
) -> None:
    """Whatever a header claims, it is refused as damage: it is not believed, and costs neither memory nor a crash."""
    refused(scratch / "header", changed(written.content, change))


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{}", id="empty"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'{"shapes":', id="cut-off"),
        pytest.param(b"[" * 100_000, id="deep-lists"),
        pytest.param(b'{"shapes":' * 100_000, id="deep-objects"),
        pytest.param(b'{"versions":{"a":"' + b"\xff" * 10 + b'"}}', id="no-unicode"),
        pytest.param(b'{"nodes":' + b"9" * 100_000 + b"}", id="long-number"),
        pytest.param(b'{"nodes":1e999}', id="great-number"),
        pytest.param(b'{"nodes":NaN}', id="nan"),
        pytest.param(bytes(1000), id="zeros"),
    ],
)
def test_a_header_that_is_no_header_is_refused(written: Written, scratch: Path, head: bytes) -> None:
    """Neither what is no JSON nor what is another document is read."""
    refused(scratch / "head", with_header(written.content, head))


def test_a_header_longer_than_the_file_is_refused(written: Written, scratch: Path) -> None:
    """The length that a file claims for its header is checked as well."""
    for length in (0, 1, len(written.content), 2**31, 2**32 - 1):
        refused(scratch / "length", written.content[:12] + length.to_bytes(4, "little") + written.content[16:])


@pytest.mark.parametrize("more", [pytest.param(b"\0", id="byte"), pytest.param(bytes(64), id="line")])
def test_bytes_behind_the_arrays_are_refused(written: Written, scratch: Path, more: bytes) -> None:
    """The last array ends the file."""
    assert "arrays end at" in refused(scratch / "longer", mend(written.content + more))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("thresholds", np.nan),
        *((name, value) for name in ("leaves", "base") for value in (np.nan, np.inf, -np.inf)),
    ],
)
def test_a_number_that_is_not_finite_is_refused(written: Written, scratch: Path, name: str, value: float) -> None:
    """Leaves are finite; a threshold may be infinite, but is a number."""

    def spoil(numbers: NDArray[Any]) -> None:
        numbers[-1] = value

    assert "not finite" in refused(scratch / "finite", with_numbers(written.content, name, spoil))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        pytest.param("words", 0, "leads astray", id="words"),
        pytest.param("trees", 2**32 - 1, "begins at line", id="trees"),
        pytest.param("offsets", 2**32 - 1, "offsets", id="offsets"),
        pytest.param("outputs", 2**32 - 1, "adds to output", id="outputs"),
        pytest.param("features", 2**32 - 1, "is of column", id="features"),
        pytest.param("missing", 255, "missing values of the kind 255", id="missing"),
        pytest.param("codes", 2**32 - 1, "no sets", id="codes"),
    ],
)
def test_arrays_that_lead_a_walk_astray_are_refused(
    written: Written, scratch: Path, name: str, value: int, message: str
) -> None:
    """What the kernel finds is told of the file."""

    def spoil(numbers: NDArray[Any]) -> None:
        numbers[-1] = value

    assert message in refused(scratch / "astray", with_numbers(written.content, name, spoil))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An artifact of float64 thresholds with missing values and categories, whose sums are float32."""
    ensemble = next(
        found
        for seed in range(1000)
        if (found := draw_ensemble(seed, np.float64, np.float32)).takes_missing
        and len(found.trees) > 1
        and sum(len(tree.sets) for tree in found.trees) > 20
    )
    path = tmp_path_factory.mktemp("drawn") / "drawn.forest"
    arrays = compile_forest(ensemble)
    value = replace(arrays, link=Link("xgboost_argmax"), classes=None)
    write(path, value, Origin("drawn"), Parity(1, 0))
    return path.read_bytes()


@given(part=st.sampled_from(["header", *tampering.ARRAYS]), of_drawn=st.booleans(), seed=st.integers(0, 2**32 - 1))
def test_a_changed_part_is_refused_or_answers(
    written: Written, drawn: bytes, scratch: Path, part: str, of_drawn: bool, seed: int
) -> None:
    """Whatever is changed in a header or an array, the file is refused, or its engine answers for each row."""
    draw = np.random.default_rng(seed)
    content = drawn if of_drawn or part == "sets" else written.content
    changed_content = tampering.tamper(content, sections(content)[part], draw)
    told = header(content)
    rows = draw.normal(size=(130, told["width"])).astype(told["types"]["thresholds"])
    assert tampering.ask(scratch / "changed", changed_content, rows) in {"refused", "answered", "another table"}


def run(*command: str) -> str:
    """Run a Python process that may crash or hang; returns its output if it does neither."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode < 0:
        raise AssertionError(f"died of {signal.Signals(-done.returncode).name}:\n{done.stderr}")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("of_drawn", [pytest.param(False, id="forest"), pytest.param(True, id="categories")])
def test_thousands_of_changed_files_crash_or_hang_no_process(
    written: Written, drawn: bytes, tmp_path: Path, of_drawn: bool, seed: int
) -> None:
    """A process that loads and asks one changed file after the other ends well."""
    path = tmp_path / "whole.forest"
    path.write_bytes(drawn if of_drawn else written.content)
    ends = json.loads(run("-m", "tests.forest.files.tampering", str(path), str(seed), "5000"))
    assert sum(ends.values()) == 5000
    # Both must be frequent, or little was tried.
    assert ends["refused"] > 500
    assert ends["answered"] > 500


ASK = """
import resource, sys
from pathlib import Path
import numpy as np
from forest import CompiledEngine
from forest.artifact import BadArtifact, read
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
try:
    engine = CompiledEngine.load(Path(sys.argv[1]))
    engine.predict(np.zeros((200, 3), dtype=np.float32))
except BadArtifact:
    pass
"""
"""Loads an artifact and asks it; may take so many bytes of memory."""


def test_a_great_leaf_number_is_no_way_out_of_the_stack(written: Written, tmp_path: Path) -> None:
    """A file whose words give features many bits, and that has many leaves, makes no walk read beyond its row."""
    leaves = 200_000

    def end(words: NDArray[np.uint32]) -> None:
        # All words but the headers become the last leaf.
        words.reshape(-1, 16)[:, 2:] = (leaves - 1) << 8 | 1

    assert written.arrays.classes is not None
    content = with_leaves(with_numbers(written.content, "words", end), [leaves, len(written.arrays.classes)])
    path = tmp_path / "great.forest"
    path.write_bytes(changed(content, put("key_bits", value=24)))
    run("-c", ASK, str(path), str(1 << 30))


def with_leaves(content: bytes, shape: list[int]) -> bytes:
    """The artifact with so many leaves, of so many classes, all of them zeros."""
    found = sections(content)
    arrays = content[: found["leaves"].start] + bytes(8 * math.prod(shape))
    arrays += bytes(-len(arrays) % tampering.ALIGNMENT) + content[found["base"].start : found["base"].stop]
    return changed(arrays, put("shapes", "leaves", value=shape))


@pytest.mark.parametrize(
    ("class_type", "classes"),
    [
        pytest.param("<U1024", ["a"] * 500_000, id="many-wide-labels"),
        pytest.param("U", ["a" * 100_000] + ["a"] * 10_000, id="one-long-label-and-many-short"),
        pytest.param("<U99999", ["a"] * 10_000, id="many-very-wide-labels"),
    ],
)
def test_a_small_file_takes_little_memory(
    written: Written, tmp_path: Path, class_type: str, classes: list[str]
) -> None:
    """Labels of some megabytes do not grow to gigabytes before they are refused."""

    def grow(head: Header) -> None:
        head.update(class_type=class_type, classes=classes)

    path = tmp_path / "small.forest"
    # The number of classes itself is right.
    path.write_bytes(changed(with_leaves(written.content, [1, len(classes)]), grow))
    assert path.stat().st_size < 10_000_000
    run("-c", ASK, str(path), str(1 << 30))
