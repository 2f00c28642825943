"""Power cuts by the thousand: `python -m tests.crash --images N --seed S [--target terminal|server]`.

The shipping terminal and the shipping server work in child processes while every change of their files is recorded.
Then the power is cut again and again: each image is what a disk may hold after some of those changes, opened by the
shipping start and asked for everything that had been acknowledged by then. `--controls` plants what must be caught.

An image that breaks a promise is named by seed and number; its recording is kept (in `crash-images`, or `--keep`), and

    python -m tests.crash --recording FOLDER --target T --seed S --image N --keep TO

makes it again, opens it, and leaves it as it was in TO. The last line is JSON. Anything lost or corrupt, or a control
that is not caught, is a non-zero exit.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from tests.crash.controls import CONTROLS
from tests.crash.images import CHUNK, TARGETS, Failed, Sum, check, keep, record, workshop
from tests.crash.recording import Recorder, RecordingFailed
from tests.crash.story import LOG, SAID, Fault, Target

CONTROL_IMAGES: Final = 30
CONTROL_IMAGES_MAX: Final = 600
COUNTED: Final = ("images", "acknowledged", "sectors", "sectors lost", "sectors torn", "names")


def main() -> int:
    """Record, cut, open, report."""
    options = argparse.ArgumentParser(prog="python -m tests.crash", description=(__doc__ or "").split("\n")[0])
    options.add_argument("--images", type=_at_least_one, default=500, help="of all targets together")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--target", choices=[target.name for target in TARGETS], help="only this one")
    options.add_argument("--jobs", type=_at_least_one, default=2)
    options.add_argument(
        "--controls", nargs="*", choices=[control.name for control in CONTROLS], help="plant these, or all, as well"
    )
    options.add_argument("--recording", type=Path, help="a kept recording, with --target, --seed and --image")
    options.add_argument("--image", type=int, help="the number of one image of it")
    options.add_argument("--keep", type=Path, default=Path("crash-images"), help="where failures are kept")
    asked = options.parse_args()
    if asked.recording is not None:
        if asked.target is None or asked.image is None:
            options.error("--recording needs --target and --image")
        return replay(asked.recording, asked.target, asked.seed, asked.image, asked.keep)
    targets = [target for target in TARGETS if asked.target in (None, target.name)]
    planted = [
        (target, control.name)
        for target in targets
        for control in (CONTROLS if asked.controls is not None else ())
        if target.name in control.targets and (not asked.controls or control.name in asked.controls)
    ]
    if asked.controls is not None and not planted:
        options.error(f"{' and '.join(asked.controls)} cannot be planted in the {asked.target}")
    began = time.monotonic()
    line: dict[str, Any] = {"seed": asked.seed}
    try:
        with workshop() as place, ProcessPoolExecutor(asked.jobs, get_context("spawn")) as pool:
            recorder = Recorder(Path(place))
            for target in targets:
                count = _share(asked.images, target.name) if len(targets) > 1 else asked.images
                line[target.name] = _cut(pool, recorder, target, asked.seed, count, Path(place), asked.keep)
            line["images_per_s"] = round(asked.images / (time.monotonic() - began), 1)
            if asked.controls is not None:
                line["controls"] = [
                    _control(pool, recorder, target, control, asked.seed, Path(place)) for target, control in planted
                ]
    except RecordingFailed as error:
        print(f"nothing was recorded: {error}", file=sys.stderr)
        return 2
    print(json.dumps(line))
    bad = any(line[target.name][fault] for target in targets for fault in Fault)
    return 1 if bad or any(not control["caught"] for control in line.get("controls", [])) else 0


def replay(folder: Path, target: str, seed: int, number: int, to: Path) -> int:
    """One image once more: kept as it was, and opened."""
    keep(folder, target, seed, number, to / "disk")
    total = check(folder.resolve(), target, seed, [number])
    for failed in total.failed:
        print(f"{target} image {number} of seed {seed}, cut after {failed.point} changes: {failed.text}")
    print(json.dumps({"image": number, "kept": str(to / "disk"), "failed": bool(total.failed)}))
    return 1 if total.failed else 0


def _at_least_one(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"a whole number of at least 1 is needed, not {text!r}")
    return int(text)


def _share(images: int, target: str) -> int:
    """One in eight is the server's: its images take eight times as long to open."""
    of_server = max(1, images // 8)
    return of_server if target == "server" else images - of_server


def _cut(
    pool: ProcessPoolExecutor, recorder: Recorder, target: Target, seed: int, count: int, place: Path, kept: Path
) -> dict[str, int]:
    folder = place / target.name
    folder.mkdir()
    record(target, recorder, folder)
    total = Sum()
    for done in _checked(pool, folder, target.name, seed, range(count)):
        total.add(done)
        if sys.stderr.isatty():
            print(f"\r{target.name}: {total.counts['images']} of {count} images", end="", file=sys.stderr, flush=True)
        for failed in done.failed:
            _tell(failed, target.name, seed, folder, kept)
    return _figures(total)


def _checked(pool: ProcessPoolExecutor, folder: Path, target: str, seed: int, numbers: range) -> Iterator[Sum]:
    size = max(1, min(CHUNK, -(-len(numbers) // 2)))
    chunks = [numbers[at : at + size] for at in range(0, len(numbers), size)]
    yield from pool.map(partial(check, folder, target, seed), chunks)


def _tell(failed: Failed, target: str, seed: int, folder: Path, kept: Path) -> None:
    """Say what broke, and how to see it again."""
    to = kept / f"{target}-{seed}"
    if not (to / LOG).exists():
        to.mkdir(parents=True, exist_ok=True)
        for name in (LOG, SAID):
            shutil.copy(folder / name, to / name)
    print(
        f"{target} image {failed.number} of seed {seed}, cut after {failed.point} changes: {failed.text}\n"
        f"  python -m tests.crash --recording {to} --target {target} --seed {seed} --image {failed.number} "
        f"--keep {to / str(failed.number)}",
        flush=True,
    )


def _figures(total: Sum) -> dict[str, int]:
    counted = {name.replace(" ", "_"): total.counts[name] for name in COUNTED}
    return {**counted, **{str(fault): total.counts[fault] for fault in Fault}}


def _control(
    pool: ProcessPoolExecutor, recorder: Recorder, target: Target, control: str, seed: int, place: Path
) -> dict[str, Any]:
    """Images of a program with something planted, until enough of them have lost what was acknowledged."""
    folder = place / f"{target.name}-{control}"
    folder.mkdir()
    record(target, recorder, folder, control)
    total = Sum()
    while not total.counts[Fault.LOST] and total.counts["images"] < CONTROL_IMAGES_MAX:
        first = total.counts["images"]
        for done in _checked(pool, folder, target.name, seed, range(first, first + CONTROL_IMAGES)):
            total.add(done)
    told = {"target": target.name, "control": control, "caught": bool(total.counts[Fault.LOST])}
    return {**told, "images": total.counts["images"], **{str(fault): total.counts[fault] for fault in Fault}}


if __name__ == "__main__":
    sys.exit(main())
