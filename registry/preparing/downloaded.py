"""A model's files, read for what there is to be made of them."""

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import mlflow
import numpy as np
from mlflow.models.model import MLMODEL_FILE_NAME
from numpy.typing import NDArray

from forest import (
    Engine,
    Ensemble,
    UnsupportedModel,
    can_be_asked,
    ensemble_of,
    mismatch,
    read_model,
    why_no_forest,
)
from forest.checks import answers
from preprocessing.schema import BadSchema, Schema
from redaction import one_line
from registry.columns import Columns, Stated, Told, settle, statement, with_example, with_values
from registry.errors import SchemaMismatch, UnusableModel
from registry.opening.loading import check_data, load, other_version, own_version
from registry.opening.plain import plain
from registry.opening.pyfunc import told, types_of
from registry.preparation import Preparation
from registry.preparing.confinement import expect, is_out_of_memory
from registry.preparing.flavours import Flavours
from registry.preparing.rounding import rounded
from registry.version import SCHEMA_FILE

SCIKIT_LEARN: Final = "scikit-learn"
OTHERS: Final = ("xgboost", "lightgbm", "catboost")
_CATBOOST: Final = "catboost"
_GREATEST = np.finfo(np.float32).max


class Download:
    """A downloaded MLflow model.

    Args:
        path: its folder.
        how: what is to be made of it.

    Attributes:
        unasked: why the model's own library could not be asked; empty if it could.

    Raises:
        FileNotFoundError: nothing was there to download.
    """

    def __init__(self, path: Path, how: Preparation) -> None:
        if not (path / MLMODEL_FILE_NAME).exists():
            raise FileNotFoundError("its files are gone; `make train` makes a new version")
        self.path = path
        self.formats = how.formats
        self.others = how.others
        self._stated = how.stated
        self._model = mlflow.models.Model.load(plain(path))
        self.flavours = Flavours(path, self._model.flavors)
        self._made_by: list[str] = []
        self.unasked = ""

    @cached_property
    def ensemble(self) -> Ensemble:
        """The ensemble in the model, for the values that MLflow hands to it.

        Raises:
            UnsupportedModel: it is none, or MLflow asks it otherwise than it is compiled.
            Exception: see ``_own``.
        """
        self.check_columns()
        return rounded(self._own, self.types(self._own.width))

    def types(self, width: int) -> list[np.dtype[Any]]:
        """The types to which MLflow rounds the values that it hands to the model; none if no signature says.

        Args:
            width: how many columns the model has.
        """
        return types_of(self._model.get_input_schema(), width) or []

    @cached_property
    def _own(self) -> Ensemble:
        """The ensemble in the model, read as data; loaded only if it cannot be, which may run the code in it.

        Raises:
            UnsupportedModel: it is none, or not one that can be compiled.
            VersionMismatch: so, and another version of scikit-learn made it.
            UntrustedFormat: it may not be loaded.
            MemoryError: there is too little memory for it.
        """
        file = self.flavours.estimator_file()
        if self.formats == "skops":
            file = check_data(self.path)
        self._expect()
        try:
            return read_model(file, self.flavours.hint)
        except UnsupportedModel as error:
            if (version := self.flavours.other_version) is not None:
                if self.others == "refuse":
                    raise other_version(version, str(error)) from None
                raise UnsupportedModel(f"{mismatch(version)} ({error})") from None
            if not self.flavours.is_scikit_learn:
                raise
            estimator = self.estimator
            if self._made_by:
                raise UnsupportedModel(f"{mismatch(self._made_by[0])} ({error})") from None
            if type(estimator).__module__.partition(".")[0] in OTHERS:
                raise
            return ensemble_of(estimator)

    @property
    def other_version(self) -> str | None:
        """The other version of scikit-learn that made the model, if one did; as far as it is known."""
        return self._made_by[0] if self._made_by else self.flavours.other_version

    def itself(self) -> Callable[[], Any] | None:
        """What loads the model by its own library; None if it cannot be asked, see ``unasked``."""
        library = self.ensemble.library
        if not can_be_asked(library, self.ensemble.version):
            setup = "CATBOOST=1" if library == _CATBOOST else "TREES=1"
            self.unasked = f"{library} is not installed where it was compiled: `make setup {setup}` installs it"
            return None
        if library != SCIKIT_LEARN:
            # What another version has pickled may not load, and is answered all the same.
            try:
                self.estimator  # noqa: B018 - it is kept
            except Exception as error:
                if is_out_of_memory(error):
                    raise
                self.unasked = f"{library} cannot load it: {one_line(f'{type(error).__name__}: {error}')}"
                return None
        return lambda: self.estimator

    @cached_property
    def estimator(self) -> Any:  # noqa: ANN401 - sklearn is untyped
        """The scikit-learn estimator in the model, loaded by its own library.

        Raises:
            UnsupportedModel: there is none, or MLflow answers with something else.
            VersionMismatch: another version of scikit-learn made it.
            UntrustedFormat: it may not be loaded.
            MemoryError: there is too little memory for it.
        """
        self.flavours.estimator_file()
        if (version := self.flavours.other_version) is not None and self.others == "refuse":
            raise other_version(version)
        self._expect()
        with own_version(self.others) as self._made_by:
            return load(self.path, self.formats)

    @cached_property
    def columns(self) -> Columns:
        """The model's columns: as it names them itself, in the order in which MLflow would hand them to it.

        Raises:
            SchemaMismatch: they are not the schema's.
            Exception: as ``estimator``, but for UnsupportedModel.
        """
        signature = told(self._model.get_input_schema())
        parts = {"its signature": signature}
        if (own := self._own_columns(signature)) is not None:
            parts["its estimator"] = own
        if all(part.names is None for part in parts.values()):
            # MLflow sorts an example's columns by the signature's names, so that its order tells nothing beside them.
            parts["its input example"] = Told(getattr(self._example, "columns", None), self._example_width)
        found = settle(parts, *statement(self._stated, self._logged))
        if self._stated is None and self._logged is None:
            with suppress(UnsupportedModel):
                ensemble = self._own
                if not self._looked_up(signature):  # else its columns are not these
                    found = with_values(
                        found, ensemble.may_miss, ensemble.categorical, ensemble.given_limits, ensemble.whole
                    )
        examples = self._examples(found)
        return with_example(found, examples[0].tolist()) if len(examples) else found

    @property
    def _example_width(self) -> int | None:
        shape: tuple[int, ...] = getattr(self._example, "shape", ())
        return shape[1] if len(shape) == 2 else None

    @property
    def _logged(self) -> Stated:
        """The table that was logged beside the model, if there is one.

        Raises:
            SchemaMismatch: it describes none.
        """
        try:
            return Schema.read((self.path / SCHEMA_FILE).read_bytes())
        except FileNotFoundError:
            return None
        except BadSchema as error:
            raise SchemaMismatch(f"{SCHEMA_FILE} beside the model describes no table: {error}") from None

    def _own_columns(self, signature: Told) -> Told | None:
        """What the estimator says of its columns; None if that does not count."""
        with suppress(UnsupportedModel):
            if self._looked_up(signature):
                return None
            is_known = self._own.by_name or signature.names is None
            return Told(self._own.columns if is_known else None, self._own.width)
        with suppress(UnsupportedModel):
            # Names and signature of a forest have to agree. Another estimator may look its columns up by their names.
            if signature.names is None or why_no_forest(self.estimator) is None:
                names, width = (getattr(self.estimator, what, None) for what in ("feature_names_in_", "n_features_in_"))
                return Told(names, width)
        return None

    def check_columns(self) -> None:
        """Make sure that a pipeline is given the columns that it was fitted on, in their order.

        Raises:
            UnsupportedModel: it is not, but may find them by their names.
        """
        looked_up = False
        with suppress(UnsupportedModel):
            looked_up = self._looked_up(told(self._model.get_input_schema()))
        if looked_up:
            raise UnsupportedModel(
                "its signature has other columns than its pipeline was fitted on, or in another order: log it with one "
                "that was inferred from that table"
            )

    def _looked_up(self, signature: Told) -> bool:
        """Whether a pipeline is given other columns than it was fitted on, or in another order.

        A ColumnTransformer finds those that it takes by their names; another first step fails, and says so.
        """
        own, given = self._own.columns, signature.names
        return self._own.computed and own is not None and given is not None and list(own) != list(given)

    @property
    def order(self) -> NDArray[np.intp] | None:
        """The schema's column for each of the model's; None if they are the schema's own in its order."""
        return None if self.columns.order is None else np.array(self.columns.order, dtype=np.intp)

    @cached_property
    def _example(self) -> Any:  # noqa: ANN401
        """The model's input example, None if there is none that can be read."""
        with suppress(TypeError, ValueError, OSError):
            return self._model.load_input_example(plain(self.path))
        return None

    def check_answers(self, engine: Engine, examples: NDArray[Any]) -> None:
        """Hold an engine against the answers that were logged for the input example, if there are any.

        Raises:
            UnusableModel: they differ.
        """
        if (logged := answers.read(self.path)) is None or not len(examples):
            return
        try:
            logged.check(engine.predict(examples))
        except ValueError as error:
            raise UnusableModel(f"the model is not as it was logged: {error}") from error

    def _expect(self) -> None:
        expect(sum(file.stat().st_size for file in self.path.rglob("*")))

    def example(self, dtype: type[np.floating]) -> NDArray[Any]:
        """The model's input example as (n, n_columns) rows of the schema; no rows if there is none that is such.

        Args:
            dtype: of the engine that they are for.
        """
        return self._examples(self.columns).astype(dtype)

    def _examples(self, columns: Columns) -> NDArray[np.float64]:
        """The same in float64, for some columns."""
        none = np.empty((0, len(columns.schema.expanded)))
        try:
            example = np.asarray(self._example, dtype=np.float64)
        except (TypeError, ValueError):
            return none
        if example.ndim != 2 or example.shape[1] != none.shape[1]:
            return none
        rows = np.empty(example.shape)  # in C order, whatever the example's is
        rows[:, slice(None) if columns.order is None else list(columns.order)] = example
        may_miss = [field.missing for field in columns.schema.fields for _ in field.becomes]
        fits = (abs(rows) <= _GREATEST) | (np.isnan(rows) & may_miss)
        return rows if fits.all() else none
