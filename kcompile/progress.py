"""What a user sees of a training: one line on a terminal, a line per epoch elsewhere, TensorBoard; and the wish to stop."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kcompile.diagnostics import Diagnostic, ToolMissing

if TYPE_CHECKING:
    from kcompile.train.history import Record

_EVERY = 0.1
"""Seconds between two changes of the line on a terminal."""


Watching = TypeVar("Watching", bound="Listener")


class Listener:
    """Watches a training without showing it. `stop`: whether to stop, as a signal asked."""

    def __init__(self) -> None:
        self.stop = False
        self._before: dict[signal.Signals, Any] = {}

    def listen(self) -> None:
        """Let the first SIGINT or SIGTERM ask to stop; a second one acts as it did before."""
        self._before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
        for one in self._before:
            signal.signal(one, self._ask)

    def _ask(self, number: int, frame: Any) -> None:
        self.stop = True
        self.hang_up()

    def hang_up(self) -> None:
        """Signals act as before."""
        for one, handler in self._before.items():
            signal.signal(one, handler)

    def over(self) -> None:
        """Signals act as before while the report is made; one that came too late to stop the training ends the program."""
        self.hang_up()
        if self.stop:
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        """Show nothing."""

    def step(self, done: int, total: int, loss: float, rate: float) -> bool:
        """Whether to stop after this step."""
        return self.stop

    def epoch(self, record: Record) -> None:
        """Show nothing."""


class Progress(Listener):
    """Shows a training. figure: `accuracy` or `rms_error`; line: changes the line of a terminal; board: of TensorBoard."""

    def __init__(self, figure: str, epochs: int, line: Callable[[int, int, str], None] | None, board: Any) -> None:
        super().__init__()
        self._figure, self._epochs, self._line, self._board = figure, epochs, line, board
        self._shown = 0.0
        self._last = ""

    def note(self, text: str) -> None:
        """Show a line that stays."""
        click.echo(f"note: {text}", err=True)

    def step(self, done: int, total: int, loss: float, rate: float) -> bool:
        """Whether to stop after this step."""
        if self._line is not None and (time.monotonic() - self._shown > _EVERY or done == total):
            self._shown = time.monotonic()
            self._line(done, total, f"loss {loss:.4g}, rate {rate:.3g}{self._last}")
        return self.stop

    def epoch(self, record: Record) -> None:
        """Show a whole epoch."""
        from kcompile.train.report import format_figure

        judged = "" if record.validation_loss is None or record.validation_score is None else (
            f", validation loss {record.validation_loss:.4g}, {format_figure(self._figure, record.validation_score)}")
        if self._line is None:
            trained = f"loss {record.train_loss:.4g}, {format_figure(self._figure, record.train_score)}"
            click.echo(f"epoch {record.epoch}/{self._epochs}: {trained}{judged}, rate {record.rate:.3g}, {record.seconds:.1f} s",
                       err=True)
        self._last = judged
        if self._board is not None:
            for name in ("train_loss", "train_score", "validation_loss", "validation_score", "rate"):
                value = getattr(record, name)
                if value is not None:
                    self._board.add_scalar(name, value, record.epoch)


@contextmanager
def listening(watch: Watching) -> Iterator[Watching]:
    """The watch, while the first SIGINT or SIGTERM asks to stop; the second one acts as it did before."""
    watch.listen()
    try:
        yield watch
    finally:
        watch.hang_up()


@contextmanager
def watched(figure: str, epochs: int, board: Path | None) -> Iterator[Progress]:
    """A watch that listens and shows what happens on standard error.

    board: folder for TensorBoard; raises `ToolMissing` KC0711 where it is not installed.
    """
    writer = None if board is None else _board(board)
    with _line() as line, listening(Progress(figure, epochs, line, writer)) as watch:
        try:
            yield watch
        finally:
            if writer is not None:
                writer.close()


@contextmanager
def counted() -> Iterator[Callable[[int, int], None] | None]:
    """What shows how many points of a sweep are done, where there is a terminal."""
    with _line() as line:
        yield None if line is None else lambda done, total: line(done, total, "points")


def need_board() -> None:
    """Raise `ToolMissing` KC0711 where TensorBoard is not installed."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        raise ToolMissing(Diagnostic("KC0711", "--tensorboard needs tensorboard, which is not installed",
                                     hint="pip install 'kcompile[tensorboard]'")) from None


def _board(folder: Path) -> Any:
    need_board()
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


@contextmanager
def _line() -> Iterator[Callable[[int, int, str], None] | None]:
    """What changes the one line of a terminal; None where standard error is none."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (MofNCompleteColumn(), BarColumn(bar_width=20), TextColumn("{task.description}", markup=False),
               TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, text: bar.update(task, completed=done, total=total, description=text)
