"""What a recipe may say. A recipe is a TOML file of this shape; see docs/recipes.md for each key."""

import codecs
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from network import ACTIVATIONS
from network.architecture import MAX_MEMBERS
from predictor.features import LARGEST_CLIP, SMALLEST_CLIP
from predictor.wording import hint, shown
from training.choices import InitializerChoice, LossChoice, OptimizerChoice, ScheduleChoice
from training.kinds import ASKED
from training.memory import bytes_of

__all__ = [
    "Axis",
    "Card",
    "Checkpoint",
    "Checks",
    "Data",
    "Demand",
    "Encoding",
    "Fit",
    "Hidden",
    "InlineTable",
    "Net",
    "Output",
    "Promotion",
    "Recipe",
    "Split",
    "Stopping",
]


def _activation(name: str) -> str:
    if name not in ACTIVATIONS:
        known = sorted(ACTIVATIONS)
        raise ValueError(f"unknown activation {shown(name)}{hint(name, known) or '; known: ' + ', '.join(known)}")
    return name


def _kind(name: str) -> str:
    if name not in ASKED:
        raise ValueError(f"unknown kind {shown(name)}{hint(name, ASKED) or '; known: ' + ', '.join(ASKED)}")
    return name


def _encoding(name: str) -> str:
    try:
        if isinstance(codecs.decode(b"", name), str):
            return name
    except LookupError:
        pass
    raise ValueError(
        f"unknown encoding {shown(name)}; some known ones: utf-8, windows-1252, iso-8859-15, gbk, shift_jis"
    )


def _listed(value: object) -> object:
    """Take one name for a list of one, as the command line has it."""
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Activation = Annotated[str, AfterValidator(_activation)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
ColumnKind = Annotated[str, AfterValidator(_kind)]


class Strict(BaseModel):
    """Exactly the keys that are declared, of exactly their types, never changed afterwards."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class InlineTable(Strict):
    """A table small enough to stand in the recipe itself."""

    columns: tuple[str, ...] = Field(min_length=2)
    rows: tuple[tuple[float | str, ...], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> "InlineTable":
        for i, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(f"rows.{i}: expected {len(self.columns)} cells as in columns, found {len(row)}")
        return self


def _size(text: str) -> str:
    bytes_of(text)
    return text


class Data(Strict):
    """What the columns mean. None is inferred; `prune` leaves out what cannot help, except the columns in `keep`.

    `encoding` and `header` say how a CSV file is written, `kinds` what columns are, by name. A text that fewer than
    `rare` training rows have, or that is not among the `levels` commonest of its column, is not told apart from
    others like it. `memory` is what the whole process may take, such as "1GB": a larger table is read in blocks.
    """

    target: str | None = None
    task: Literal["classes", "number"] | None = None
    drop: Names = ()
    keep: Names = ()
    prune: bool = True
    kinds: Mapping[str, ColumnKind] = {}
    missing: Names = ()
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None
    header: bool | None = None
    rare: Count | None = None
    levels: Annotated[int, Field(ge=1, le=10_000)] | None = None
    memory: Annotated[str, AfterValidator(_size)] | None = None


class Encoding(Strict):
    """How values become what the network sees, by what the training rows say.

    `inputs`: (value - mean) / deviation, the same with median and quartiles, or value / divide_by. `clip` bends scaled
    values smoothly into -clip..clip, `bins` adds so many piecewise-linear columns between quantiles, `flag_missing` a
    column that says where a cell was missing. `clamp_target` keeps answers inside the training range. `unknown` is what
    a category that training never saw gets when the model serves.
    """

    inputs: Literal["standardise", "robust", "raw"] = "standardise"
    divide_by: Annotated[float, Field(gt=0)] = 1.0
    clip: Annotated[float, Field(ge=SMALLEST_CLIP, le=LARGEST_CLIP)] | None = None
    bins: Annotated[int, Field(ge=0, le=1024)] = 0
    flag_missing: bool = False
    target: Literal["standardise", "raw"] = "standardise"
    clamp_target: bool = False
    unknown: Literal["refuse", "bucket"] = "bucket"


class Split(Strict):
    """Which rows test, and which of the others only watch (`validation`). `seed` is the recipe's own where None."""

    method: Literal["random", "hash", "given", "none"] = "random"
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    stratify: bool | None = None
    validation: Fraction = 0.0
    train_rows: Count | None = None


class Hidden(Strict):
    """One hidden layer."""

    units: Count
    activation: Activation = "relu"
    bias: bool = True
    dropout: Fraction = 0.0


class Output(Strict):
    """The last layer; its width follows from the target unless `units` is 1 for two classes."""

    activation: Activation | None = None
    bias: bool = True
    units: Literal[1] | None = None


class Net(Strict):
    """The network: hidden layers, output layer, the distribution of the first weights, and how many networks.

    With more than one of `members`, as many networks are fitted side by side, and their mean is the answer.
    """

    hidden: tuple[Hidden, ...] = ()
    output: Output = Output()
    initializer: InitializerChoice = InitializerChoice(name="he_normal")
    members: Annotated[int, Field(ge=1, le=MAX_MEMBERS)] = 1


class Stopping(Strict):
    """When to stop before the last epoch; see `network.EarlyStopping`."""

    monitor: str = "loss"
    below: float | None = None
    patience: Count | None = None
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    mode: Literal["min", "max"] = "min"
    restore_best: bool = True


class Fit(Strict):
    """How the parameters are found.

    The batch size "auto" is about a hundredth of the rows, `temperature` makes probabilities right on the rows that
    watch.
    """

    loss: LossChoice | None = None
    optimizer: OptimizerChoice = OptimizerChoice(name="adam")
    schedule: ScheduleChoice = ScheduleChoice(name="constant")
    epochs: Count = 200
    batch_size: Count | Literal["full", "auto"] = "full"
    shuffle: bool = True
    l2: Annotated[float, Field(ge=0)] = 0.0
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    stopping: Stopping | None = None
    temperature: bool = False


class Checkpoint(Strict):
    """How often the state of a fit is kept, should it be interrupted: whatever comes first; 0 minutes is never."""

    every_epochs: Count | None = None
    every_minutes: Annotated[float, Field(ge=0)] = 1.0


class Demand(Strict):
    """What one metric, such as "test.accuracy", must reach before the model is published."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _check(self) -> "Demand":
        if self.at_least is None and self.at_most is None:
            raise ValueError("expected at_least or at_most")
        return self


class Axis(Strict):
    """What a sweep may choose for one key: a number from `low` to `high`, whole when both are, or one of `choices`."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    choices: tuple[JsonValue, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> "Axis":
        if self.choices:
            if self.low is not None or self.high is not None or self.log:
                raise ValueError("expected either choices or low and high")
        elif self.low is None or self.high is None or not self.low < self.high:
            raise ValueError("expected low and a higher high, or choices")
        elif self.log and self.low <= 0:
            raise ValueError("log: expected a low above 0")
        return self


class Card(Strict):
    """What only people can say of a model, for the card in its report."""

    use: str | None = None
    not_for: str | None = None
    data: str | None = None
    contact: str | None = None


class Checks(Strict):
    """What new data may be like before it is trained on, beside what the champion was trained on.

    Shares of rows: `fewer_rows` that may be gone, `duplicates`, `unlabelled` ones, `missing` cells of a column beyond
    those of before, cells `outside` the training range or of unknown categories, dates in the `future`, and
    `label_share`, by which the share of a class may differ. A number that is predicted may have moved by `target_shift`
    of the deviation of before, and its deviation have grown or shrunk by the factor `target_spread`. `rows` is the
    fewest there may be, `psi` the largest stability index of a column, `reach` how far a number may lie beyond the
    range of before, in widths of that range. `new_classes`, `new_columns` that the champion does not take, and columns
    whose `leaks` give the target away as they did not before, are for a person to allow.
    """

    rows: Count = 50
    fewer_rows: Fraction = 0.5
    duplicates: Fraction = 0.5
    missing: Fraction = 0.2
    outside: Fraction = 0.1
    label_share: Fraction = 0.2
    unlabelled: Fraction = 0.2
    new_classes: bool = False
    new_columns: bool = False
    leaks: bool = False
    reach: Annotated[float, Field(gt=0)] = 10.0
    target_shift: Annotated[float, Field(gt=0)] = 0.5
    target_spread: Annotated[float, Field(gt=1)] = 2.0
    psi: Annotated[float, Field(gt=0)] = 0.25
    future: Fraction = 0.0


class Promotion(Strict):
    """What a challenger must hold, beside the demands of the gate, before it may take the champion's place.

    The lower bound of its gain by `metric` (accuracy, or the mean absolute error) may be no lower than -`tolerance`: of
    1, or of the champion's own error. So on the `recent` share of the table, its last rows or those with the latest
    dates in the column `recent_by`, and on the others. In no part of the rows may the error grow by more than
    `slice_loss`, nor the calibration error by `calibration_loss`.
    """

    metric: str | None = None
    tolerance: Fraction = 0.02
    recent: Annotated[float, Field(gt=0, lt=1)] = 0.25
    recent_by: str | None = None
    recent_tolerance: Fraction = 0.1
    legacy_tolerance: Fraction = 0.1
    slice_loss: Annotated[float, Field(ge=0)] = 0.1
    calibration_loss: Fraction = 0.02
    beats_trivial: bool = True
    latency_ms: Annotated[float, Field(gt=0)] = 50.0
    size_mb: Annotated[float, Field(gt=0)] = 100.0
    golden: bool = True


class Recipe(Strict):
    """Everything that decides what model comes out, given the data."""

    about: str = ""
    source: str | None = None
    table: InlineTable | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    data: Data = Data()
    encoding: Encoding = Encoding()
    split: Split = Split()
    network: Net = Net()
    fit: Fit = Fit()
    gate: tuple[Demand, ...] = ()
    promotion: Promotion = Promotion()
    checks: Checks = Checks()
    card: Card | None = None
    checkpoint: Checkpoint = Checkpoint()
    search: dict[str, Axis] = Field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return, as JSON, what a model file says of its recipe: all that decides what model comes out."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"checkpoint", "search", "checks", "promotion"})
