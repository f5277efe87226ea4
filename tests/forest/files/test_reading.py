"""What is read of a forest's file, and what is refused: no code of it runs, and nothing in it leads a walk astray."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import pickletools
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st

from forest import CompiledEngine, UnsupportedModel, compile_forest, ensemble_of, read_model
from forest.files.stored import Unreadable
from tests.forest.forests import PLANS, Grown, Plan, assert_same, grow

PLAIN = pickle.dumps


def compressed(tool: Callable[[bytes], bytes]) -> Callable[[Any], bytes]:
    """Write as joblib does, compressed."""

    def dump(forest: Any) -> bytes:  # noqa: ANN401 - sklearn is untyped
        file = io.BytesIO()
        joblib.dump(forest, file)
        return tool(file.getvalue())

    return dump


DUMPS: dict[str, Callable[[Any], bytes]] = {
    **{f"pickle {protocol}": lambda forest, protocol=protocol: pickle.dumps(forest, protocol) for protocol in range(6)},  # type: ignore[misc]
    "cloudpickle": cloudpickle.dumps,
    "joblib": compressed(bytes),
    "gzip": compressed(gzip.compress),
    "zlib": compressed(zlib.compress),
    "bz2": compressed(bz2.compress),
    "xz": compressed(lzma.compress),
    "skops": skops.io.dumps,
}


def read(content: bytes, folder: Path) -> Any:  # noqa: ANN401 - a FittedForest, which compile_forest takes
    """Read a forest that is in a file."""
    (folder / "forest").write_bytes(content)
    return read_model(folder / "forest")


@given(plan=PLANS, format_=st.sampled_from(list(DUMPS)))
def test_what_is_read_is_what_was_written(plan: Plan, format_: str, scratch: Path) -> None:
    """Whatever the format, the forest has the estimator's arrays, labels and names."""
    grown = grow(plan)
    found, expected = read(DUMPS[format_](grown.estimator), scratch), ensemble_of(grown.estimator)
    assert (found.kind, found.version, found.columns, found.width) == (
        expected.kind,
        expected.version,
        expected.columns,
        expected.width,
    )
    assert expected.classes is not None
    assert found.classes is not None
    assert found.classes.tolist() == expected.classes.tolist()
    assert len(found.trees) == len(expected.trees)
    for one, other in zip(found.trees, expected.trees, strict=True):
        for name in ("left", "right", "feature", "threshold", "missing", "visits", "leaves"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


@pytest.mark.parametrize("dump", [pytest.param(dump, id=name) for name, dump in DUMPS.items()])
def test_what_is_read_compiles_to_the_same_answers(dump: Callable[[Any], bytes], tiny: Grown, tmp_path: Path) -> None:
    """From the file to the kernel, all bits are the estimator's."""
    assert_same(
        CompiledEngine(compile_forest(read(dump(tiny.estimator), tmp_path))).predict(tiny.matrix),
        tiny.estimator,
        tiny.matrix,
    )


class Call:
    """An object that, unpickled, calls something."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


def with_attribute(forest: Any, **attributes: object) -> bytes:  # noqa: ANN401
    """The pickle of a forest on which something was set."""
    changed = pickle.loads(pickle.dumps(forest))  # noqa: S301 - made here
    vars(changed).update(attributes)
    return bytes(cloudpickle.dumps(changed))


def patching(forest: Any) -> bytes:  # noqa: ANN401
    """A pickle that replaces a method of scikit-learn's class, throws the result away and goes on with a forest."""
    from sklearn.ensemble import RandomForestClassifier

    call = pickle.dumps(Call(setattr, RandomForestClassifier, "predict", print), 4)
    return call[:-1] + b"0" + pickle.dumps(forest, 4)[2:]


def patching_by_state(forest: Any) -> bytes:  # noqa: ANN401
    """The same without a call: the state of the class itself is set."""
    return (
        b"\x80\x04csklearn.ensemble._forest\nRandomForestClassifier\nN}\x8c\x07predictK\x01s\x86b0"
        + pickle.dumps(forest, 4)[2:]
    )


HOSTILE: dict[str, Callable[[Any], bytes]] = {
    "system": lambda _: pickle.dumps(Call(os.system, "touch trace")),
    "as a parameter": lambda forest: with_attribute(forest, random_state=Call(os.system, "touch trace")),
    "as a foreign attribute": lambda forest: with_attribute(forest, note=Call(Path.touch, Path("trace"))),
    "eval": lambda _: pickle.dumps(Call(eval, "open('trace', 'w')")),
    "predict of its own": lambda forest: with_attribute(forest, predict=lambda rows: rows),
    "predict_proba of its own": lambda forest: with_attribute(forest, predict_proba=None),
    "patches the class": patching,
    "patches the class by its state": patching_by_state,
    "persistent id": lambda _: b"Pid\n.",
    "persistent id on the stack": lambda _: b"\x80\x04K\x01Q.",
    "extension registry": lambda _: b"\x80\x02\x82\x01.",
    "instance": lambda _: b"(i__main__\nForest\n.",
    "out of band": lambda _: b"\x80\x05\x97.",
    "a number is called": lambda _: b"\x80\x04K\x01)R.",
    "no end": lambda _: b"\x80\x04]",
    "empty": lambda _: b"",
    "garbage": lambda _: bytes(range(256)),
    "empty stack": lambda _: b"\x80\x040.",
    "unknown memo": lambda _: b"\x80\x04h\x07.",
    "huge bytes": lambda _: b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"x.",
    "huge frame": lambda _: b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"].",
    "huge memo": lambda _: b"\x80\x04]r\xff\xff\xff\xff.",
    "deep tuples": lambda _: b"\x80\x04}" + b")" + b"\x85" * 100_000 + b"K\x01s.",
    "deep lists": lambda _: b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "a list in itself": lambda _: b"\x80\x04]\x94h\x00a.",
    "a bomb": lambda _: gzip.compress(bytes(1 << 26), 1),
    "a bomb of xz": lambda _: lzma.compress(bytes(1 << 26), preset=0),
    "a damaged gzip": lambda forest: gzip.compress(pickle.dumps(forest))[:-400],
    "a list": lambda forest: pickle.dumps([forest]),
    "a class": lambda forest: pickle.dumps(type(forest)),
    "not fitted": lambda forest: pickle.dumps(type(forest)()),
}


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in HOSTILE.items()])
def test_a_hostile_file_is_refused(
    make: Callable[[Any], bytes], tiny: Grown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused in one short line, nothing of it runs, and scikit-learn is as before."""
    from sklearn.ensemble import RandomForestClassifier

    content = make(tiny.estimator)
    monkeypatch.chdir(tmp_path)
    predict = RandomForestClassifier.predict
    with pytest.raises(UnsupportedModel) as raised:
        read(content, tmp_path)
    assert not (tmp_path / "trace").exists()
    assert RandomForestClassifier.predict is predict
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


def test_a_file_of_endless_steps_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle that pushes and pops for ever is given up."""
    monkeypatch.setattr("forest.files.pickles._MOST_STEPS", 1000)
    with pytest.raises(Unreadable, match="more than 1000 steps"):
        read(b"\x80\x04" + b"N0" * 1000 + b".", tmp_path)


def changed_tree(change: Callable[[dict[str, Any]], None]) -> Callable[[Any], bytes]:
    """Write a forest whose first tree's state is changed."""

    class Changed(pickle.Pickler):
        done = False

        def reducer_override(self, thing: Any) -> Any:  # noqa: ANN401
            from sklearn.tree._tree import Tree

            if type(thing) is not Tree or self.done:
                return NotImplemented
            self.done = True
            made, args, state = thing.__reduce__()
            state = {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in state.items()}
            change(state)
            return made, args, state

    def dump(forest: Any) -> bytes:  # noqa: ANN401
        file = io.BytesIO()
        Changed(file, 4).dump(forest)
        return file.getvalue()

    return dump


def setting(name: str, node: int, value: float) -> Callable[[dict[str, Any]], None]:
    """Set a field of a node."""

    def change(state: dict[str, Any]) -> None:
        state["nodes"][name][node] = value

    return change


def counts(state: dict[str, Any]) -> None:
    """Distributions become counts, as those of scikit-learn 1.3 are that another version has saved again."""
    state["values"] *= state["nodes"]["weighted_n_node_samples"][:, np.newaxis, np.newaxis]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(setting("left_child", 0, 0), id="round-and-round"),
        pytest.param(setting("right_child", 2, 1), id="back"),
        pytest.param(setting("left_child", 0, 10**9), id="beyond-the-end"),
        pytest.param(setting("left_child", 0, -7), id="negative"),
        pytest.param(setting("right_child", 0, -1), id="one-child"),
        pytest.param(setting("right_child", 0, 1), id="the-same-child"),
        pytest.param(setting("feature", 0, 3), id="feature-beyond"),
        pytest.param(setting("feature", 0, -2), id="feature-negative"),
        pytest.param(setting("threshold", 0, np.nan), id="threshold-nan"),
        pytest.param(setting("n_node_samples", 0, -1), id="samples-negative"),
        pytest.param(lambda state: state["values"].__imul__(np.nan), id="values-nan"),
        pytest.param(lambda state: state["values"].__imul__(-1), id="values-negative"),
        pytest.param(counts, id="counts"),
        pytest.param(lambda state: state.update(values=state["values"][:3]), id="too-few-values"),
        pytest.param(lambda state: state.update(values=state["values"][:, :, :2]), id="too-few-classes"),
        pytest.param(lambda state: state.update(nodes=state["nodes"][:0], values=state["values"][:0]), id="no-nodes"),
        pytest.param(lambda state: state.update(nodes=state["nodes"].reshape(1, -1)), id="two-dimensions"),
        pytest.param(lambda state: state.update(nodes=state["nodes"][["feature"]]), id="fields-missing"),
        pytest.param(lambda state: state.update(max_depth=-1), id="depth-negative"),
        pytest.param(lambda state: state.update(max_depth=10**30), id="depth-huge"),
    ],
)
def test_a_damaged_tree_is_refused(change: Callable[[dict[str, Any]], None], tiny: Grown, tmp_path: Path) -> None:
    """A walk would not end, leave the tree, or come to what is no distribution."""
    with pytest.raises(UnsupportedModel):
        compile_forest(read(changed_tree(change)(tiny.estimator), tmp_path))


def test_the_changed_trees_are_read_otherwise(tiny: Grown, tmp_path: Path) -> None:
    """Unchanged, such a file is fine: the tests above can fail."""
    compile_forest(read(changed_tree(lambda _: None)(tiny.estimator), tmp_path))


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"classes_": np.array([1, 2])}, id="too-few-labels"),
        pytest.param({"classes_": [1, 2, 3]}, id="labels-in-a-list"),
        pytest.param({"classes_": np.array([[1, 2, 3]])}, id="labels-in-a-table"),
        pytest.param({"n_classes_": 4}, id="more-classes"),
        pytest.param({"n_outputs_": 2}, id="two-outputs"),
        pytest.param({"n_features_in_": 4}, id="more-columns"),
        pytest.param({"n_features_in_": "3"}, id="columns-no-number"),
        pytest.param({"estimators_": []}, id="no-trees"),
        pytest.param({"estimators_": np.array([])}, id="trees-in-an-array"),
        pytest.param({"estimators_": [None]}, id="no-tree"),
        pytest.param({"feature_names_in_": np.array(["a"], dtype=object)}, id="too-few-names"),
    ],
)
def test_attributes_that_do_not_fit_are_refused(attributes: dict[str, Any], tiny: Grown, tmp_path: Path) -> None:
    """What the forest says of itself and what its trees say has to agree."""
    with pytest.raises(UnsupportedModel):
        read(with_attribute(tiny.estimator, **attributes), tmp_path)


def test_changed_labels_and_notes_are_kept(tiny: Grown, tmp_path: Path) -> None:
    """Labels that somebody has renamed are the model's; what else is set on it has no part in a prediction."""
    content = with_attribute(tiny.estimator, classes_=np.array(["x", "a", "m"]), threshold=0.3, notes={"by": ["me"]})
    forest = read(content, tmp_path)
    expected = pickle.loads(content)  # noqa: S301 - made here
    assert_same(CompiledEngine(compile_forest(forest)).predict(tiny.matrix), expected, tiny.matrix)


def test_one_tree_named_many_times_is_refused(tiny: Grown, tmp_path: Path) -> None:
    """A small file does not become a large forest."""
    tree = tiny.estimator.estimators_[0]
    with pytest.raises(Unreadable, match="larger than the file"):
        read(with_attribute(tiny.estimator, estimators_=[tree] * 1000), tmp_path)


@pytest.mark.parametrize("format_", ["pickle 4", "pickle 0", "joblib", "skops"])
@given(data=st.data())
def test_no_damage_does_more_than_be_refused(format_: str, data: st.DataObject, tiny: Grown, scratch: Path) -> None:
    """Whatever bytes are changed, cut or doubled: a forest is read that can be walked, or UnsupportedModel raised."""
    content = bytearray(DUMPS[format_](tiny.estimator))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["set", "cut", "double"])):
            case "set":
                content[at] = data.draw(st.integers(0, 255))
            case "cut":
                del content[at : at + data.draw(st.integers(1, 50))]
            case _:
                content[at:at] = content[at : at + data.draw(st.integers(1, 50))]
    try:
        forest = read(bytes(content), scratch)
        CompiledEngine(compile_forest(forest)).predict(np.zeros((3, forest.width), dtype=np.float32))
    except UnsupportedModel:
        pass


OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]


@given(parts=st.lists(st.sampled_from(OPCODES) | st.binary(max_size=9), max_size=40))
def test_no_program_does_more_than_be_refused(parts: list[bytes], scratch: Path) -> None:
    """Whatever opcodes follow each other, the machine refuses them or goes on."""
    with pytest.raises(UnsupportedModel):
        read(b"\x80\x04" + b"".join(parts) + b".", scratch)


def zipped(**files: bytes) -> bytes:
    """A zip archive."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_json", ".json"), content)
    return made.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(zipped(other=b"x"), id="no-schema"),
        pytest.param(zipped(schema_json=b"[]"), id="no-node"),
        pytest.param(zipped(schema_json=b"{}"), id="nothing"),
        pytest.param(zipped(schema_json=b"[" * 100_000), id="deep-json"),
        pytest.param(zipped(schema_json=b'{"content":[' * 900 + b"]}" * 900), id="deep-nodes"),
        pytest.param(zipped(schema_json=bytes(1 << 26)), id="bomb"),
        pytest.param(
            zipped(schema_json=b'{"__loader__": "ObjectNode", "__module__": "os", "__class__": "system"}'), id="foreign"
        ),
        pytest.param(
            zipped(schema_json=b'{"__loader__": "FunctionNode", "__module__": "os", "__class__": "system"}'),
            id="function",
        ),
    ],
)
def test_a_hostile_skops_file_is_refused(content: bytes, tmp_path: Path) -> None:
    """Neither depth, nor size, nor foreign names do more than be refused."""
    with pytest.raises(UnsupportedModel):
        read(content, tmp_path)
