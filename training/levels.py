"""Text columns as categories: which texts are told apart, and which are too rare for that."""

from collections import Counter
from dataclasses import dataclass, replace

from predictor import CategoricalFeature
from training.recipe import Data, Encoding
from training.table import Column
from training.wording import alike, count

__all__ = ["Levels", "category_feature", "fewest_rows", "levels_of"]

TEXT_SHARE = 0.5  # more different texts than this share of the rows name the rows, they do not describe them
FEW = 10
SMALL_ROWS = 100  # in a smaller table every text counts
MOST_ASKED = 5  # rows that are enough for a text of its own, however many there are
COVERED, HARDLY = 0.5, 0.1
MISSING = ""
FEWEST_LEVELS, MOST_LEVELS, MOST_CELLS = 100, 500, 10_000_000


def fewest_rows(rows: int, data: Data) -> int:
    """Return in how many of the training rows a text must stand to be told apart."""
    if data.rare is not None:
        return data.rare
    return 1 if rows < SMALL_ROWS else max(2, min(MOST_ASKED, rows // 100))


@dataclass(frozen=True)
class Levels:
    """The texts of a column's training rows with their counts: those that are told apart, and how many rows are not.

    `single` counts those that are told apart for no other reason than that the table is small. `missing` says
    whether a missing cell is a category of its own, `given` whether that is all that is told apart.
    """

    counts: dict[str, int]
    distinct: int
    others: int
    missing: bool
    given: bool = False
    single: int = 0

    def only_missing(self) -> "Levels":
        """Return the levels of a column that only says whether there is a text."""
        return replace(self, counts={}, others=self.others + sum(self.counts.values()), given=True, single=0)

    @property
    def said(self) -> str:
        """What became of the texts, unless each is told apart."""
        if self.given:
            return "nearly every text is different: only whether there is one"
        twins = alike(self.counts)
        if not self.others:
            return twins
        kept = f"{count(len(self.counts), 'frequent text')} of {self.distinct:,}"
        return f"{kept}; the others, in {count(self.others, 'row')}, count as one{'; ' if twins else ''}{twins}"

    @property
    def instead(self) -> str:
        """What the user may prefer."""
        return "drop" if self.given else "--set data.rare=1" if self.others else ""

    @property
    def names_rows(self) -> bool:
        """Whether the texts name the rows: nearly each is different, or hardly one is told apart."""
        rows = self.others + sum(self.counts.values())
        is_name = self.distinct > max(FEW, TEXT_SHARE * rows) and self.others + self.single > (1 - COVERED) * rows
        return is_name or self.others > (1 - HARDLY) * rows


def _most(rows: int) -> int:
    """Return how many texts of a column are told apart: as many as keep their columns of X within some 40 MB."""
    return max(FEWEST_LEVELS, min(MOST_LEVELS, MOST_CELLS // rows))


def levels_of(part: Column, data: Data, encoding: Encoding) -> Levels:
    """Count the texts of the training rows; the commonest of those that are frequent are told apart."""
    found = Counter(part.values.tolist())
    gone = found.pop(None, 0)
    fewest = 1 if encoding.unknown == "refuse" else fewest_rows(len(part.values), data)
    frequent = [(text, count) for text, count in found.items() if count >= fewest]
    frequent.sort(key=lambda pair: (-pair[1], pair[0]))
    kept = dict(sorted(frequent[: data.levels or _most(len(part.values))]))
    is_own = gone >= fewest_rows(len(part.values), data) and gone > 0 and MISSING not in found
    is_asked = data.rare is not None or encoding.unknown == "refuse"
    single = 0 if is_asked else sum(count == 1 for count in kept.values())
    return Levels(kept, len(found), found.total() - sum(kept.values()), is_own, single=single)


def category_feature(name: str, levels: Levels, encoding: Encoding, *, may_miss: bool) -> CategoricalFeature:
    """Return the feature: a missing cell is a category of its own, or too rare for that and taken as the commonest."""
    names = [*levels.counts, *([MISSING] if levels.missing else [])]
    usual = MISSING if levels.missing else max(names, key=lambda text: levels.counts[text])
    return CategoricalFeature(
        name,
        tuple(names),
        missing=usual if may_miss else None,
        unknown=encoding.unknown,
        counts=tuple(levels.counts.get(text, 0) for text in names),
        others=levels.others,
    )
