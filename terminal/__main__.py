"""Start a terminal: `python -m terminal --config FILE`. Commands come from standard input, `help` names them."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from terminal.app import run
from terminal.config import ConfigWrong, read_config
from terminal.console import standard_console
from terminal.identity import IdentityError
from terminal.ports import JournalError, JournalInUse
from terminal.texts import en
from terminal.views import Words

LANGUAGES: dict[str, Words] = {"en": en.SENTENCES}
OK, WRONG_CONFIG, NO_IDENTITY, IN_USE, JOURNAL = 0, 2, 3, 4, 5


def main() -> int:
    """Run until `quit`, SIGTERM or SIGINT. Returns 0; or another number and one sentence for a technician."""
    parser = argparse.ArgumentParser(prog="python -m terminal", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="a TOML file; terminal/config.py shows one")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line, for programs")
    parser.add_argument("--verbose", action="store_true", help="say on standard error what goes on")
    options = parser.parse_args()
    level = logging.INFO if options.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        config = read_config(options.config)
        words = LANGUAGES.get(config.language)
        if words is None:
            raise ConfigWrong(f"{options.config}: no language {config.language!r}; there is: {', '.join(LANGUAGES)}")
        asyncio.run(run(config, words, standard_console(words, as_json=options.json), sys.stdin.fileno()))
    except ConfigWrong as error:
        return _failed(error, WRONG_CONFIG)
    except IdentityError as error:
        return _failed(error, NO_IDENTITY)
    except JournalInUse as error:
        return _failed(error, IN_USE)
    except (JournalError, OSError) as error:
        return _failed(error, JOURNAL)
    return OK


def _failed(error: Exception, code: int) -> int:
    print(f"fanka terminal: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
