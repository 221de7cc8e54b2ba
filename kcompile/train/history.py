"""What a training saw, epoch by epoch, and the files it is kept in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class Record:
    """One epoch: mean losses, and the figure of the objective (accuracy or rms error); None where a part is empty.

    rate: learning rate of its last step. seconds: of computing since the training began, over all its runs.
    """

    epoch: int
    rate: float
    train_loss: float
    train_score: float
    validation_loss: float | None
    validation_score: float | None
    seconds: float

    @property
    def judged(self) -> float:
        """The loss that the best weights are chosen by."""
        return self.train_loss if self.validation_loss is None else self.validation_loss


COLUMNS = tuple(one.name for one in fields(Record))


def best_of(history: Sequence[Record]) -> Record | None:
    """The first record with the smallest judged loss."""
    return min(history, key=lambda record: record.judged, default=None)


def format_log(history: Sequence[Record]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(asdict(record)) + "\n" for record in history)


def format_csv(history: Sequence[Record]) -> str:
    """A table with a header; empty cells where a part is empty."""
    rows = [["" if value is None else repr(value) for value in asdict(record).values()] for record in history]
    return "".join(",".join(row) + "\n" for row in [list(COLUMNS), *rows])
