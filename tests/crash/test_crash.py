"""Power cuts: the recorder misses nothing, the disk forgets only what was not synced, what is acknowledged stays."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from protocol.entries import CashSale, Kind
from protocol.money import Cents
from protocol.signing import to_base64url
from tests.crash.__main__ import main
from tests.crash.controls import CONTROLS, Control
from tests.crash.disk import SECTOR_BYTES, Disk
from tests.crash.recording import ROOT, Change, Recorder, RecordingFailed, What, read_log
from tests.crash.sent import Fork, Place, Sent
from tests.crash.story import Broken, Event
from tests.server.world import MERCHANT, Lunch

IMAGES_OF_A_RELEASE = 200_000


def change(what: What, name: str, inode: int = 1, offset: int = 0, data: bytes = b"", other: str = "") -> Change:
    """A change of a file."""
    return Change(what, inode, offset, 0o644, name, other, data)


def contents(changes: list[Change], name: str = "a", times: int = 300) -> set[bytes | None]:
    """What power cuts leave of a file; None: no such file."""
    disk = Disk()
    disk.take(changes)
    images = [disk.image(random.Random(seed)) for seed in range(times)]
    return {image.files[name][0] if name in image.files else None for image in images}


MADE = [change(What.CREATE, "a"), change(What.SYNC, "", inode=0)]
OLD, NEW = b"o" * SECTOR_BYTES, b"n" * SECTOR_BYTES


def test_what_was_synced_is_there() -> None:
    written = [change(What.WRITE, "a", data=OLD * 2), change(What.SYNC, "a")]
    assert contents([*MADE, *written]) == {OLD * 2}


def test_a_name_is_sure_when_its_folder_was_synced() -> None:
    written = [change(What.WRITE, "a", data=OLD), change(What.SYNC, "a")]
    assert contents([MADE[0], *written]) == {OLD, None}
    assert contents([*MADE, *written, change(What.UNLINK, "a")]) == {OLD, None}


def test_sectors_that_were_not_synced_are_old_new_or_torn() -> None:
    written = [change(What.WRITE, "a", data=OLD * 2), change(What.SYNC, "a"), change(What.WRITE, "a", data=NEW * 2)]
    found = contents([*MADE, *written], times=2_000)
    assert {OLD * 2, NEW * 2, OLD + NEW, NEW + OLD} < found
    torn = found - {OLD * 2, NEW * 2, OLD + NEW, NEW + OLD}
    assert torn and all(content is not None and len(content) == 2 * SECTOR_BYTES for content in torn)
    assert all(content is not None and set(content) <= set(b"on") for content in found)


def test_a_size_that_was_not_synced_may_be_any_since() -> None:
    written = [change(What.WRITE, "a", data=OLD), change(What.SYNC, "a"), change(What.RESIZE, "a", offset=10)]
    assert contents([*MADE, *written]) == {OLD, OLD[:10]}
    assert contents([*MADE, *written, change(What.SYNC, "a")]) == {OLD[:10]}
    grown = [*written, change(What.RESIZE, "a", offset=20), change(What.SYNC, "a")]
    assert contents([*MADE, *grown]) == {OLD[:10] + bytes(10)}, "what was cut off does not come back"


def test_a_replaced_file_is_the_old_or_the_new_one() -> None:
    written = [change(What.WRITE, "a", data=OLD), change(What.SYNC, "a")]
    fresh = [
        change(What.CREATE, "a.new", inode=2),
        change(What.WRITE, "a.new", inode=2, data=NEW),
        change(What.SYNC, "a.new", inode=2),
        change(What.RENAME, "a.new", inode=2, other="a"),
    ]
    assert contents([*MADE, *written, *fresh]) == {OLD, NEW}
    assert contents([*MADE, *written, *fresh, change(What.SYNC, "", inode=0)]) == {NEW}


def test_a_folder_whose_name_is_lost_takes_its_files_with_it() -> None:
    below = [change(What.MKDIR, "b", inode=7), change(What.CREATE, "b/a"), change(What.SYNC, "b", inode=7)]
    assert contents(below, "b/a") == {b"", None}
    assert contents([*below, change(What.SYNC, "", inode=0)], "b/a") == {b""}


def test_a_removed_file_keeps_its_content_when_its_inode_is_another_file_s() -> None:
    old = [change(What.WRITE, "a", data=OLD), change(What.SYNC, "a"), change(What.UNLINK, "a")]
    fresh = [change(What.CREATE, "b"), change(What.WRITE, "b", data=NEW), change(What.SYNC, "b")]
    assert contents([*MADE, *old, *fresh]) == {OLD, None}
    assert contents([*MADE, *old, *fresh], "b") == {NEW, None}


# The recorder


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    return Recorder(tmp_path_factory.mktemp("recorder"))


def recorded(recorder: Recorder, tmp_path: Path, program: str) -> list[Change]:
    """What a small program does in its folder."""
    (tmp_path / "disk").mkdir()
    log, said = tmp_path / "log", tmp_path / "said"
    status = recorder.run([sys.executable, "-c", program, str(tmp_path / "disk")], tmp_path / "disk", log, said)
    assert status == 0, said.with_suffix(".errors").read_text()
    return read_log(log)


EVERYTHING = """
import ctypes, os, sqlite3, sys
from pathlib import Path
os.chdir(sys.argv[1])
Path("folder").mkdir()
Path("folder/one").write_bytes(b"one" * 1000)
os.rename("folder/one", "folder/two")
with open("folder/two", "r+b") as file:
    file.seek(10); file.write(b"ten"); file.truncate(100); file.flush(); os.fsync(file.fileno())
descriptor = os.open("three", os.O_RDWR | os.O_CREAT)
os.pwrite(descriptor, b"three", 600); os.writev(descriptor, [b"a", b"bc"]); os.posix_fallocate(descriptor, 0, 2000)
copy = os.dup(descriptor); os.close(descriptor); os.write(copy, b"d"); os.fdatasync(copy)
print("said", flush=True)
Path("three").open("wb").close()
Path("four").touch(); Path("four").unlink()
Path("empty").mkdir(); Path("empty").rmdir()
os.write(ctypes.CDLL(None).creat(b"five", 0o640), b"five")
for mode in ("WAL", "DELETE"):
    db = sqlite3.connect(f"{mode}.db"); db.execute(f"PRAGMA journal_mode={mode}")
    db.execute("CREATE TABLE t (x)"); db.execute("INSERT INTO t VALUES (zeroblob(9000))"); db.commit(); db.close()
"""


def test_the_recording_leads_to_the_files_that_are_there(recorder: Recorder, tmp_path: Path) -> None:
    changes = recorded(recorder, tmp_path, EVERYTHING)
    disk = Disk()
    disk.take(changes)
    assert disk.whole().differences(tmp_path / "disk") == []
    assert {"folder/two", "three", "five", "WAL.db", "DELETE.db"} == set(disk.whole().files)
    (tmp_path / "disk" / "three").chmod(0o600)
    (tmp_path / "disk" / "five").write_bytes(b"six")
    (tmp_path / "disk" / "folder" / "two").unlink()
    assert disk.whole().differences(tmp_path / "disk") == ["five", "folder/two", "three"]
    assert b"".join(one.data for one in changes if one.what is What.MARK) == b"said\n"
    assert {one.what for one in changes} == set(What) - {What.UNKNOWN}


@pytest.mark.parametrize(
    "program",
    [
        "import os, sys; os.chdir(sys.argv[1]); open('a', 'w').close(); os.link('a', 'b')",
        "import os, sys; os.symlink('/', sys.argv[1] + '/a')",
        "import mmap, sys; f = open(sys.argv[1] + '/a', 'w+b'); f.truncate(9); mmap.mmap(f.fileno(), 9)",
        "import mmap, sys; f = open(sys.argv[1] + '/a', 'w+b'); f.truncate(9); mmap.mmap(f.fileno(), 9, prot=1)",
        "import os, sys; os.chdir(sys.argv[1]); open('a', 'w').close(); os.truncate('a', 5)",
        "import os, sys; os.chdir(sys.argv[1]); open('a', 'w').close(); os.chmod('a', 0o600)",
        "import os, sys; f = open(sys.argv[1] + '/a', 'wb'); os.pwritev(f.fileno(), [b'a'], 0)",
        "import os, sys; r, w = os.pipe(); os.write(w, b'a'); f = os.open(sys.argv[1] + '/a', 65); os.splice(r, f, 1)",
        "import ctypes, os, sys; os.chdir(sys.argv[1]); ctypes.CDLL(None).fopen(b'a', b'w')",
        "import ctypes, sys; at = sys.argv[1].encode(); ctypes.CDLL(None).renameat2(-1, at + b'/a', -1, at + b'/b', 1)",
        "import contextlib, os, sys\nwith contextlib.suppress(OSError): os.open(sys.argv[1], os.O_TMPFILE | os.O_RDWR)",
    ],
    ids=[
        "hard link",
        "symbolic link",
        "shared mapping",
        "shared mapping to read",
        "truncate by name",
        "chmod",
        "pwritev2",
        "splice",
        "fopen",
        "renameat2",
        "file without a name",
    ],
)
def test_what_nobody_modelled_is_refused(recorder: Recorder, tmp_path: Path, program: str) -> None:
    with pytest.raises(RecordingFailed, match="nobody modelled"):
        recorded(recorder, tmp_path, program)


MADE_ONCE = [
    ("from terminal.enrol import new_key; new_key(there)", ("journal.db", "journal.key")),
    ("from server.keys import open_keys; open_keys(there)", ("trust.json", "load.key")),
    (
        "from server.broker.authority import open_authority; open_authority(there, 0, may_create=True)",
        ("ca.crt", "ca.key"),
    ),
]


@pytest.mark.parametrize(("made", "files"), MADE_ONCE, ids=["journal", "keys", "authority"])
def test_what_is_made_once_is_there_after_a_power_cut(
    recorder: Recorder, tmp_path: Path, made: str, files: tuple[str, ...]
) -> None:
    """A name is durable when its folder was synced, and so is the folder's own."""
    disk = Disk()
    disk.take(
        recorded(recorder, tmp_path, f"import sys; from pathlib import Path; there = Path(sys.argv[1], 'a/b'); {made}")
    )
    for seed in range(50):
        assert {f"a/b/{name}" for name in files} <= set(disk.image(random.Random(seed)).files)


# What was promised


def acked(tno: int, hashes: list[str]) -> Event:
    """An ack of the last entry of a history."""
    return {"event": "tip", "tno": tno, "seq": len(hashes), "hash": hashes[-1]}


def test_every_entry_up_to_an_acknowledged_one_is_looked_for() -> None:
    """In the branch of the ack, and in the one that it leaves."""
    lunch = Lunch(1)
    till = lunch.tills[0]
    for cents in (1, 2, 3):
        till.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(cents)))
    image = till.restored(2)
    image.append(Kind.CASH_SALE, CashSale(MERCHANT, Cents(4)))
    lunch.images.append(image)
    first, second = ([to_base64url(sealed.hash) for sealed in known.chain] for known in (till, image))
    held: dict[Place, str] = {(till.tno, 0, seq): digest for seq, digest in enumerate(first, 1)}
    held[till.tno, 1, 3] = second[2]
    forks: dict[tuple[int, int], Fork] = {(till.tno, 0): Fork(0, 0), (till.tno, 1): Fork(0, 2)}
    sent, both = Sent(lunch, []), [acked(till.tno, first), acked(till.tno, second)]
    assert [sent.look_for(acks, held, forks) for acks in ([], both[:1], both[1:], both)] == [0, 3, 3, 4]
    for ack, lost in ((both[0], (0, 1)), (both[0], (0, 3)), (both[1], (0, 2)), (both[1], (1, 3))):
        left = {place: digest for place, digest in held.items() if place != (till.tno, *lost)}
        with pytest.raises(Broken, match="lost"):
            sent.look_for([ack], left, forks)
    with pytest.raises(Broken, match="nobody wrote it"):
        sent.look_for([acked(till.tno, [*first, first[0]])], held, forks)


def test_a_control_is_planted_where_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["crash", "--target=server", "--controls", "card-before-commit"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2


# The programs


def cut(*options: str) -> dict[str, Any]:
    """The command; the figures that it prints last."""
    command = [sys.executable, "-m", "tests.crash", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-4_000:]
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


@pytest.mark.integration
@pytest.mark.parametrize(
    ("target", "images", "controls"),
    [("terminal", 300, CONTROLS), ("server", 30, CONTROLS[:1])],
    ids=["terminal", "server"],
)
def test_nothing_acknowledged_is_lost_and_the_controls_are_caught(
    target: str, images: int, controls: tuple[Control, ...], tmp_path: Path
) -> None:
    options = ["--target", target, "--images", str(images), "--jobs", "1", "--keep", str(tmp_path / "kept")]
    figures = cut(*options, "--controls", *(control.name for control in controls))
    found = figures[target]
    assert (found["images"], found["lost"], found["corrupt"]) == (images, 0, 0)
    assert all(found[name] for name in ("acknowledged", "sectors_lost", "sectors_torn", "names"))
    assert [control["caught"] for control in figures["controls"]] == [True] * len(controls)


@pytest.mark.slow
@pytest.mark.integration
def test_nothing_acknowledged_is_lost_in_as_many_images_as_a_release_asks_for(tmp_path: Path) -> None:
    figures = cut("--images", str(IMAGES_OF_A_RELEASE), "--seed", "1", "--controls", "--keep", str(tmp_path / "kept"))
    assert [figures[target][fault] for target in ("terminal", "server") for fault in ("lost", "corrupt")] == [0] * 4
    assert all(control["caught"] for control in figures["controls"])


@pytest.mark.parametrize("images", ["0", "-1", "many"])
def test_no_images_prove_nothing(
    images: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["crash", f"--images={images}"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2 and "at least 1" in capsys.readouterr().err
