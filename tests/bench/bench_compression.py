"""What a batch weighs on the line: a full one compressed as it is sent, beside the same lines as they are."""

from collections.abc import Iterator

from protocol.messages import encode_batch
from tests.bench.figures import Line, cost
from tests.bench.lunch import Lunch


def run(scale: float = 1.0) -> Iterator[Line]:
    """Bytes of a full batch; there is nothing to scale."""
    lines = Lunch().batch()
    yield cost("compressed_batch", len(encode_batch(lines)), len(b"\n".join(lines)), "bytes", entries=len(lines))
