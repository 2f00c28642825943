"""Images by the thousand: each is a point of a recording and what a power cut there left, both chosen by its number."""

import asyncio
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.crash.disk import Disk, Image
from tests.crash.recording import Recorder, RecordingFailed
from tests.crash.server_images import ServerImages
from tests.crash.story import DISK, Asked, Broken, Fault, Opener, Story, Target
from tests.crash.terminal_images import TerminalImages

TARGETS: Final[tuple[Target, ...]] = (TerminalImages(), ServerImages())
CHUNK: Final = 500
PROGRAM_EVERY: Final = 97
"""So often the whole program is started on an image; the start of its journal or database is tried on each."""
TO_THE_END_EVERY: Final = 13
"""So often everything that still comes is done on an image."""
SAID_SHARE: Final = 0.4
"""Of the points, those at which something was just acknowledged."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An image that breaks a promise, by the number that makes it again."""

    number: int
    point: int
    fault: Fault
    text: str


@dataclass
class Sum:
    """What some images came to."""

    counts: Counter[str] = field(default_factory=Counter[str])
    failed: list[Failed] = field(default_factory=list[Failed])

    def add(self, other: "Sum") -> None:
        """Together with others."""
        self.counts += other.counts
        self.failed += other.failed


def target_named(name: str) -> Target:
    """One of them."""
    return next(target for target in TARGETS if target.name == name)


def workshop() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory where there is one: the disk is modelled, a real one only costs time."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="fanka-crash-", dir=memory if memory.is_dir() else None)


def record(target: Target, recorder: Recorder, folder: Path, control: str = "") -> Story:
    """Let a program work, and see that the recording holds all that it did. Raises RecordingFailed."""
    target.record(recorder, folder, control)
    story = Story.read(folder)
    if differ := story.end.differences(folder / DISK):
        raise RecordingFailed(f"the recording does not lead to the files that are there: {', '.join(differ)}")
    return story


def point_of(story: Story, chance: random.Random) -> int:
    """After how many changes the power is cut."""
    if chance.random() < SAID_SHARE and story.said:
        return chance.choice(story.said)[0]
    return chance.randint(0, len(story.changes))


def chance_of(target: str, seed: int, number: int) -> random.Random:
    """Everything that is left to chance in one image."""
    return random.Random(f"{target}/{seed}/{number}")


def images(story: Story, target: str, seed: int, numbers: Iterable[int]) -> Iterable[tuple[int, int, Image]]:
    """Number, point and image of each, in the order of their points."""
    chances = {number: chance_of(target, seed, number) for number in numbers}
    points = sorted((point_of(story, chance), number) for number, chance in chances.items())
    disk, at = Disk(), 0
    for point, number in points:
        disk.take(story.changes[at:point])
        at = point
        yield number, point, disk.image(chances[number])


def check(folder: Path, target: str, seed: int, numbers: Sequence[int]) -> Sum:
    """Make images of the recording in `folder` and open each of them."""
    with workshop() as place:
        story = _known(folder)
        return asyncio.run(_check(story, target_named(target), seed, numbers, Path(place)))


async def _check(story: Story, target: Target, seed: int, numbers: Sequence[int], place: Path) -> Sum:
    total = Sum()
    opener = await asyncio.to_thread(target.opener, story, place)
    for number, point, image in images(story, target.name, seed, numbers):
        total.counts["images"] += 1
        total.counts += image.chances
        try:
            total.counts["acknowledged"] += await _ask(opener, story, point, image, number, place)
        except Broken as broken:
            total.counts[broken.fault] += 1
            total.failed.append(Failed(number, point, broken.fault, str(broken)))
    await opener.close()
    return total


async def _ask(opener: Opener, story: Story, point: int, image: Image, number: int, place: Path) -> int:
    asked = Asked(number % PROGRAM_EVERY == 0, number % TO_THE_END_EVERY == 0)
    disk = place / DISK
    shutil.rmtree(disk, ignore_errors=True)
    disk.mkdir()
    image.write(disk)
    try:
        return await opener.check(place, story.said_by(point), asked)
    except Broken:
        raise
    except Exception as error:
        raise Broken(Fault.CORRUPT, f"{type(error).__name__}: {error}") from error


_stories: dict[Path, Story] = {}


def _known(folder: Path) -> Story:
    """Each process reads a recording once."""
    if folder not in _stories:
        _stories.clear()
        _stories[folder] = Story.read(folder)
    return _stories[folder]


def keep(folder: Path, target: str, seed: int, number: int, to: Path) -> None:
    """Make one image again and leave it in a folder."""
    to.mkdir(parents=True)
    for _, _, image in images(Story.read(folder), target, seed, [number]):
        image.write(to)
