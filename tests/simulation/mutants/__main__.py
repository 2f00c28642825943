"""Planted bugs that the simulation must catch: `make mutants`.

Prints a table (bug, first seed that caught it, what broke, the rule) and one line of JSON. A bug that survives, or a
seed that fails without any bug, is a non-zero exit.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.simulation.mutants.catalogue import MUTANTS, Mutant
from tests.simulation.mutants.runner import ROOT, SEEDS_MAX, Control, PatchError, Verdict, copy_sources, hunt, patched

FAILURE_WIDTH = 100


def main() -> int:
    """Hunt every mutant, or those that are named."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    options.add_argument("names", nargs="*", metavar="NAME", help="these only")
    options.add_argument("--seeds", type=int, default=SEEDS_MAX, help="at most this many for each")
    options.add_argument("--jobs", type=int, default=2)
    asked = options.parse_args()
    unknown = set(asked.names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        options.error(f"no such mutant: {', '.join(sorted(unknown))}")
    chosen = [mutant for mutant in MUTANTS if not asked.names or mutant.name in asked.names]
    try:
        for mutant in chosen:
            patched(mutant, ROOT)
    except PatchError as error:
        options.error(str(error))
    began = time.monotonic()
    with TemporaryDirectory(prefix="fanka-control-") as directory:
        control = Control(Path(directory).resolve())
        copy_sources(control.copy)
        verdicts = _hunt_all(chosen, control, asked.seeds, asked.jobs)
    return _report(verdicts, control, time.monotonic() - began)


def _hunt_all(chosen: Sequence[Mutant], control: Control, seeds: int, jobs: int) -> list[Verdict]:
    verdicts: list[Verdict] = []
    with ThreadPoolExecutor(jobs) as pool:
        for done in as_completed([pool.submit(hunt, mutant, control, seeds) for mutant in chosen]):
            one = done.result()
            verdicts.append(one)
            progress = f"{len(verdicts)}/{len(chosen)} {one.mutant.name}: {_word(one)}, {one.took_s:.0f} s"
            print(progress, file=sys.stderr, flush=True)
    return sorted(verdicts, key=lambda one: chosen.index(one.mutant))


def _word(one: Verdict) -> str:
    if one.failed is None:
        return "survives"
    return f"seed {one.failed.seed}" if one.caught else f"crashes at seed {one.failed.seed}"


def _report(verdicts: list[Verdict], control: Control, took_s: float) -> int:
    for one in verdicts:
        failure = " ".join(one.failed.failure.split()) if one.failed else ""
        shown = failure if len(failure) <= FAILURE_WIDTH else f"{failure[:FAILURE_WIDTH]}…"
        print(f"{one.mutant.name:26} {_word(one):20} {shown}\n{'':47} breaks: {one.mutant.rule}")
    for seed, failure in sorted(control.failing.items()):
        print(f"without any bug seed {seed} fails: {failure}")
    survivors = [one.mutant.name for one in verdicts if not one.caught]
    needed = {one.mutant.name: one.failed.seed + 1 for one in verdicts if one.failed and one.caught}
    line = {"mutants": len(verdicts), "caught": len(needed), "survivors": survivors, "seeds_needed": needed}
    checked = {"control_clean": sorted(control.clean), "control_failing": sorted(control.failing)}
    print(json.dumps({**line, **checked, "took_s": round(took_s, 1)}))
    return 1 if survivors or control.failing else 0


if __name__ == "__main__":
    sys.exit(main())
