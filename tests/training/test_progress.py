"""Progress on a terminal and elsewhere."""

import io
from collections.abc import Iterator

from network import EpochRecord
from training.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def records(count: int, seconds: float) -> Iterator[EpochRecord]:
    for epoch in range(1, count + 1):
        metrics = {"accuracy": 0.5} if epoch % 10 == 0 else {}
        yield EpochRecord(
            epoch=epoch, loss=1 / epoch, learning_rate=0.1, seconds=epoch * seconds / count, metrics=metrics
        )


def test_plain_lines_come_every_few_seconds() -> None:
    stream = io.StringIO()
    with progress(200, stream) as show:
        for record in records(100, 12.0):
            show(record)
    assert stream.getvalue().splitlines() == [
        "epoch 42 of 200: loss 0.02381, accuracy 0.5, at most 19 s left",
        "epoch 84 of 200: loss 0.0119, accuracy 0.5, at most 14 s left",
    ]


def test_a_terminal_gets_a_bar_with_loss_metric_and_time_left() -> None:
    stream = Terminal()
    with progress(200, stream) as show:
        for record in records(100, 12.0):
            show(record)
    shown = stream.getvalue()
    assert "loss 0.0" in shown
    assert "accuracy 0.5" in shown
    assert "/200 [" in shown
