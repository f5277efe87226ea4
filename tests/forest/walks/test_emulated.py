"""The walk with AVX-512 where no processor has it: its own code, over SIMDe's functions in place of Intel's."""

import importlib.util
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forest import compile_forest
from forest.checks.parity import threshold_rows
from tests.conftest import ROOT, examples
from tests.forest.ensembles import draw_ensemble, draw_rows
from tests.forest.walks import hostile
from tests.forest.walks.agreement import differing

pytestmark = pytest.mark.tool("/usr/include/simde/x86/avx512.h")

NATIVE = ROOT / "forest" / "native"
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module", params=["-UCANOPY_NEAR", "-DCANOPY_NEAR=0"], ids=["near", "far"])
def kernel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The kernel, built with the emulated walk in place of the real one: as it is, and as it walks big models."""
    folder = tmp_path_factory.mktemp("emulated")
    built = folder / f"_kernel{sysconfig.get_config_var('EXT_SUFFIX')}"
    _run(sys.executable, "-m", "cython", NATIVE / "_kernel.pyx", "-o", folder / "_kernel.c")
    sources = [folder / "_kernel.c", NATIVE / "walks" / "avx2.c", Path(__file__).with_name("avx512_emulated.c")]
    include = [f"-I{path}" for path in (NATIVE, NATIVE / "walks", sysconfig.get_paths()["include"])]
    _run("gcc", "-O2", "-fPIC", "-shared", "-Wno-psabi", request.param, *include, *sources, "-o", built)
    specification = importlib.util.spec_from_file_location("emulated._kernel", built)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, cwd=ROOT)


@settings(max_examples=examples(300))
@given(SEEDS, st.sampled_from([np.float32, np.float64]), st.sampled_from([6, 30, 60]))
def test_any_ensemble_has_the_same_sums_by_the_emulated_walk(
    kernel: ModuleType, seed: int, dtype: type[np.floating], most_columns: int
) -> None:
    """In batches of any size, of up to 128 keys, no bit differs from the portable walk."""
    ensemble = draw_ensemble(seed, dtype, np.float64, most_columns=most_columns, categories=False)
    rows = np.concatenate([draw_rows(ensemble, 100, seed), threshold_rows(ensemble, 60)])
    walk = kernel.Walk(compile_forest(ensemble))
    if walk.unfit("avx512") is None:
        assert differing(walk, rows, ["avx512"]) == []
    else:
        assert walk.unfit("avx512") == "the model compares too many features"


@settings(max_examples=examples(300))
@given(SEEDS, st.sampled_from([np.float32, np.float64]))
def test_arrays_that_nobody_compiled_have_the_same_sums_by_the_emulated_walk(
    kernel: ModuleType, seed: int, dtype: type[np.floating]
) -> None:
    """Ranks of any size and thresholds in no order lead both walks to the same leaves."""
    arrays = hostile.draw_arrays(seed, dtype)
    walk = kernel.Walk(arrays)
    assert differing(walk, hostile.draw_rows(arrays, 129, seed), ["avx512"]) == []


def test_a_missing_value_that_may_not_be_is_named_by_the_emulated_walk(kernel: ModuleType) -> None:
    """As the portable walk names it."""
    ensemble = next(
        drawn
        for drawn in (draw_ensemble(seed, np.float32, np.float64, categories=False) for seed in range(99))
        if not drawn.takes_missing
    )
    walk = kernel.Walk(compile_forest(ensemble))
    walk.use("avx512")
    rows = draw_rows(ensemble, 9, 0)
    rows[4, ensemble.trees[0].feature[0]] = np.nan
    with pytest.raises(ValueError, match="row 4, column"):
        walk.sums(rows)
