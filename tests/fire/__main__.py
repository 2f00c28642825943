"""Real programs under fire: `python -m tests.fire proxy --messages N --cuts N --seed S`, `kills --kills N --seed S`.

    proxy    terminals, a network that cuts and tears, Mosquitto, the server: both sides hold the same rows
    kills    terminal, server, Mosquitto, PostgreSQL killed under load: nothing acknowledged is lost, they go on

The last line is JSON. A claim that does not hold is a non-zero exit, and so is a control that is not caught.
"""

import argparse
import json
import sys
from typing import Any

from tests.fire import bad_network
from tests.fire.kills import run as run_kills
from tests.fire.planted import EARLY
from tests.fire.sellers import PUBACK
from tests.integration.engines import POSTGRESQL, SQLITE
from tests.integration.programs import ProgramFailed


def main(arguments: list[str] | None = None) -> int:
    """Do it, and say how it went."""
    options = argparse.ArgumentParser(prog="python -m tests.fire", description=(__doc__ or "").split("\n")[0])
    ways = options.add_subparsers(dest="way", required=True)
    proxy = ways.add_parser("proxy", help="a bad network")
    proxy.add_argument("--messages", type=int, default=1_000, help="batches that terminals send, at least")
    proxy.add_argument("--cuts", type=int, default=30, help="connections that are cut, at least")
    proxy.add_argument("--engine", choices=[SQLITE, POSTGRESQL], default=SQLITE)
    proxy.add_argument("--control", choices=[PUBACK], default="", help="plant this, which must be caught")
    kills = ways.add_parser("kills", help="kill -9 under load")
    kills.add_argument("--kills", type=int, default=50)
    kills.add_argument("--postgres", action="store_true", help="the server on PostgreSQL, which is killed as well")
    kills.add_argument("--control", choices=EARLY, default="", help="let this acknowledge before it commits")
    for way in (proxy, kills):
        way.add_argument("--seed", type=int, default=0)
    asked = options.parse_args(arguments)
    try:
        if asked.way == "kills":
            line = run_kills(asked.kills, asked.seed, postgres=asked.postgres, control=asked.control, tell=_tell)
        else:
            line = bad_network.run(
                asked.messages, asked.cuts, asked.seed, engine=asked.engine, control=asked.control, tell=_tell
            )
    except (bad_network.Broken, ProgramFailed) as error:
        caught = bool(asked.control) and isinstance(error, bad_network.Broken)
        return _end({"seed": asked.seed, "broken": str(error)[:2_000]}, well=caught, control=asked.control)
    return _end(line, well=not asked.control, control=asked.control)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _end(line: dict[str, Any], *, well: bool, control: str) -> int:
    if control:
        line |= {"control": control, "caught": well}
    print(json.dumps(line), flush=True)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
