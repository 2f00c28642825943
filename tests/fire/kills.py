"""Terminal and server programs under load, killed at random instants and started again; their surroundings too.

Mosquitto and PostgreSQL are killed as well. Each victim has a thread that kills it; several may be down at once.
"""

import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.fire.bad_network import Broken, compare_rows
from tests.fire.planted import SERVER, TERMINAL
from tests.fire.warm import warm
from tests.fire.witness import JournalWitness, look_at_server
from tests.integration.campus import Campus, Till
from tests.integration.engines import POSTGRESQL
from tests.integration.programs import Event, Program, ProgramFailed, begin_cold
from tests.server.postgres import Cluster, new_database

TILLS: Final = 3
COLD_SHARE: Final = 0.1
"""So many starts are those of a new interpreter."""
EARLY_SHARE: Final = 0.15
"""So many are killed again before they have begun."""
WAY_WEIGHTS: Final = {"killed": 16, "stopped": 2, "ended": 1}
BETWEEN_S: Final = 0.6
BROKER_EVERY_S, POSTGRES_EVERY_S = (2.0, 6.0), (1.0, 4.0)
SELLS_AGAIN_S: Final = 60.0
CENTS: Final = 125


@dataclass
class Fire:
    """What all threads share."""

    campus: Campus
    kills: int
    seed: int
    control: str
    cluster: Cluster | None
    witnesses: dict[int, JournalWitness] = field(default_factory=dict[int, JournalWitness])
    counts: Counter[str] = field(default_factory=Counter[str])
    again_s: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    locks: dict[str, threading.Lock] = field(default_factory=dict[str, threading.Lock])
    acked: threading.Condition = field(default_factory=threading.Condition)
    database: threading.Lock = field(default_factory=threading.Lock)
    """PostgreSQL stands still, or is killed and started: a server that starts without it ends, and so would a look."""
    enough: threading.Event = field(default_factory=threading.Event)
    """Nothing more is killed."""
    over: threading.Event = field(default_factory=threading.Event)
    """Programs end with the threads that started them, so the threads stay until here."""
    idle: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    failure: Exception | None = None

    def count(self, victim: str, way: str) -> None:
        """One more."""
        with self.acked:
            self.counts[f"{victim}_{way}"] += 1
            if self.done >= self.kills:
                self.enough.set()

    @property
    def done(self) -> int:
        """How many were killed by now."""
        return sum(count for name, count in self.counts.items() if name.endswith("_killed"))

    def fail(self, error: Exception) -> None:
        """Nothing more has a sense."""
        self.failure = self.failure or error
        self.enough.set()


def run(
    kills: int, seed: int, *, postgres: bool = False, control: str = "", tell: Callable[[str], None] = print
) -> dict[str, Any]:
    """At least so many kills; what happened. Raises Broken."""
    began = time.monotonic()
    with _campus(postgres) as (campus, cluster):
        fire = Fire(campus, kills, seed, control, cluster)
        tills = [_till(fire, number) for number in range(TILLS)]
        campus.server.begin = warm(control)
        victims: list[Callable[[], None]] = [lambda till=till: _kill_till(fire, till) for till in tills]  # type: ignore[misc]
        victims += [lambda: _kill_server(fire), lambda: _kill_broker(fire)]
        if cluster is not None:
            victims.append(lambda: _kill_postgres(fire, cluster))
        if control:
            victims = victims[:-1] if control == SERVER else victims[: len(tills)]
        sellers = [threading.Thread(target=_guarded, args=(fire, lambda t=t: _sell(fire, t))) for t in tills]
        killers = [threading.Thread(target=_guarded, args=(fire, victim, True)) for victim in victims]
        for thread in (*sellers, *killers):
            thread.start()
        try:
            while not fire.enough.wait(10):
                tell(f"{fire.done} kills, {fire.counts['sales']} sales")
            for _ in killers:
                fire.idle.acquire()
            for seller in sellers:
                seller.join()
            rows = _end(fire, tills)
        finally:
            fire.over.set()
            for thread in killers:
                thread.join()
    counts = dict(sorted(fire.counts.items()))
    times = {f"{name}_again_s": _far(took) for name, took in sorted(fire.again_s.items())}
    engine = POSTGRESQL if postgres else "sqlite"
    return {"seed": seed, "engine": engine, "kills": fire.done, **counts, **rows, **times} | {
        "seconds": round(time.monotonic() - began, 1)
    }


def _end(fire: Fire, tills: list[Till]) -> dict[str, int]:
    """Everything goes up; then both sides hold the same rows."""
    if fire.failure is not None:
        raise fire.failure
    for till in tills:
        fire.campus.wait_online(till)
    ledger = fire.campus.ledger()
    for till in tills:
        till.program.stop()
        fire.witnesses[till.tno].look()
    fire.campus.server.stop()
    look_at_server(fire.campus, fire.witnesses)
    rows = compare_rows(fire.campus, tills, whole=False)
    if ledger["total_cents"] != 0 or rows["sales"] < fire.counts["sales"]:
        raise Broken(f"{fire.counts['sales']} sales were said, {rows['sales']} are there: {ledger}")
    return rows


@contextmanager
def _campus(postgres: bool) -> Iterator[tuple[Campus, Cluster | None]]:
    with ExitStack() as stack:
        directory, cluster, url = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fanka-"))), None, ""
        if postgres:
            cluster = Cluster(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fanka-pg-"))), durable=True)
            cluster.create()
            cluster.start()
            stack.callback(cluster.stop)
            url = new_database(str(cluster.directory), "campus")
        yield stack.enter_context(Campus(directory / "c", TILLS, database=url)), cluster


def _till(fire: Fire, number: int) -> Till:
    till = fire.campus.add_till(f"till-{number}", number, start=False)
    till.program.begin = warm(fire.control)
    fire.witnesses[till.tno] = JournalWitness(till)
    fire.locks[till.tid] = threading.Lock()

    def hear(event: Event) -> None:
        if event["event"] == "acked":
            with fire.acked:
                fire.acked.notify_all()

    till.program.on_event = hear
    till.program.start()
    till.program.wait("entry", since=till.program.type("shift open Wang 100"), kind="shift_opened")
    return till


def _guarded(fire: Fire, work: Callable[[], None], stays: bool = False) -> None:
    try:
        work()
    except Exception as error:  # noqa: BLE001  told by the thread that waits for all
        fire.fail(error)
    if stays:
        fire.idle.release()
        fire.over.wait()


def _sell(fire: Fire, till: Till) -> None:
    """A cashier who begins again whenever the program was started again."""
    program, lock = till.program, fire.locks[till.tid]
    while not fire.enough.is_set():
        with lock:
            process, mark = program.process, program.mark()
            if process is not None:
                program.type(f"ring {CENTS / 100:.2f}")
                program.type("cash")

        def is_over(event: Event, process: object = process) -> bool:
            return event["event"] == "handed_over" or program.process is not process

        try:
            found = program.wait_for(is_over, since=mark, timeout_s=SELLS_AGAIN_S, what="a sale")
        except ProgramFailed as error:
            if program.process is process and program.running:
                raise Broken(f"{till.tid} does not sell: {error}") from error
            time.sleep(0.02)
            continue
        if found["event"] == "handed_over":
            fire.counts["sales"] += 1


def _kill_till(fire: Fire, till: Till) -> None:
    rng, program = random.Random(f"{fire.seed} {till.tid}"), till.program
    while not fire.enough.wait(rng.uniform(0.0, BETWEEN_S)):
        if _strike(fire, TERMINAL, program, rng, fire.locks[till.tid]):
            continue
        with fire.locks[till.tid]:
            _reap(program)
            fire.witnesses[till.tno].look()
            kind, began = _start(fire, TERMINAL, program, rng, fire.witnesses[till.tno].look)
            mark = program.mark()
        program.wait("handed_over", since=mark, timeout_s=SELLS_AGAIN_S) if not fire.enough.is_set() else None
        fire.again_s.setdefault(kind, []).append(time.monotonic() - began)


def _kill_server(fire: Fire) -> None:
    rng, program = random.Random(f"{fire.seed} server"), fire.campus.server
    lock = threading.Lock()
    program.begin = warm(fire.control)

    def look() -> None:
        look_at_server(fire.campus, fire.witnesses)

    while not fire.enough.wait(rng.uniform(0.0, BETWEEN_S)):
        if _strike(fire, SERVER, program, rng, lock):
            continue
        with fire.database:
            _reap(program)
            look()
            kind, began = _start(fire, SERVER, program, rng, look)
        with fire.acked:
            if not fire.acked.wait_for(fire.enough.is_set, 0) and not fire.acked.wait(SELLS_AGAIN_S):
                raise Broken("nothing is acknowledged after a start of the server")
        fire.again_s.setdefault(kind, []).append(time.monotonic() - began)


def _strike(fire: Fire, victim: str, program: Program, rng: random.Random, lock: threading.Lock) -> bool:
    """Kill it, end it, or stop it for a while; whether it goes on by itself."""
    way = rng.choices(list(WAY_WEIGHTS), list(WAY_WEIGHTS.values()))[0]
    assert program.process is not None
    process = program.process
    if fire.control and way == "ended":
        way = "killed"
    if way == "stopped":
        process.send_signal(signal.SIGSTOP)
        time.sleep(rng.uniform(0.05, 1.0))
        process.send_signal(signal.SIGCONT)
    elif way == "ended":
        with lock:
            if (status := program.stop()) != 0:
                raise Broken(f"a {victim} that was told to end ended with {status}: {program.said()}")
    else:
        os.kill(process.pid, signal.SIGKILL)
    fire.count(victim, way)
    return way == "stopped"


def _reap(program: Program) -> None:
    if program.process is not None and program.kill() != -signal.SIGKILL:
        raise Broken(f"it ended by itself: {program.said()}")


def _start(
    fire: Fire, victim: str, program: Program, rng: random.Random, look: Callable[[], None]
) -> tuple[str, float]:
    """Start it, now and then twice; which kind of start the last one was, and when it began."""
    if rng.random() < EARLY_SHARE:
        Program.start(program)
        time.sleep(rng.uniform(0.0, 0.4))
        assert program.process is not None
        os.kill(program.process.pid, signal.SIGKILL)
        fire.count(victim, "killed")
        _reap(program)
        look()
    cold = not fire.control and rng.random() < COLD_SHARE
    program.begin = begin_cold if cold else warm(fire.control)
    began = time.monotonic()
    program.start()
    return f"{victim}_{'cold' if cold else 'warm'}", began


def _kill_broker(fire: Fire) -> None:
    """Mosquitto forgets everything: sessions, what waits in them, what is retained."""
    rng, broker = random.Random(f"{fire.seed} broker"), fire.campus.broker
    while not fire.enough.wait(rng.uniform(*BROKER_EVERY_S)):
        broker.kill()
        for left in broker.settings.directory.glob("*.db*"):
            left.unlink()
        time.sleep(rng.uniform(0.0, 1.0))
        broker.start()
        fire.count("mosquitto", "killed")


def _kill_postgres(fire: Fire, cluster: Cluster) -> None:
    rng = random.Random(f"{fire.seed} postgres")
    while not fire.enough.wait(rng.uniform(*POSTGRES_EVERY_S)):
        with fire.database:
            cluster.kill()
            cluster.start()
        fire.count("postgres", "killed")


def _far(took: list[float]) -> dict[str, float]:
    ordered = sorted(took)
    return {f"p{share}": round(ordered[-(-len(ordered) * share // 100) - 1], 2) for share in (50, 99)} | {
        "most": round(ordered[-1], 2),
        "starts": len(ordered),
    }
