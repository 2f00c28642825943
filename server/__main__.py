"""Start the server: `python -m server --config FILE`. One process: API, ingest and broker connection.

With `--role` it is one of several on the same PostgreSQL (docs/operations.md): `api`, `ingest`, `nightly`.

commands; COMMAND --help says more:
  run                start the server, as without a command
  broker             make the broker's directory ready, for Mosquitto to be started from
  keys               make, change and show the server's keys
  backup             write a backup; the server may run
  restore            make a server from a backup, where there is none
  accounts           who may use the pages: make accounts, switch them off
  import-cards FILE  take over an old system's cards and balances
  audit              check everything that the database holds; the server may run

What the server has sealed is checked without it, too: python -m protocol audit --help
"""

import sys


def main() -> int:
    """Do what the first word says; a command loads what it needs and no more. Returns the exit status."""
    given = sys.argv[1:]
    match given[:1]:
        case ["keys"]:
            from server import keys_command

            return keys_command.main(given[1:], print, _warn)
        case ["accounts"]:
            from server import accounts_command

            return accounts_command.main(given[1:], print, _warn)
        case ["backup" | "restore"]:
            from server import backup_command

            return backup_command.main(given, print, _warn)
        case ["import-cards"]:
            from server import import_command

            return import_command.main(given[1:], print, _warn)
        case ["audit"]:
            from server import audit_command

            return audit_command.main(given[1:], print, _warn)
        case _:
            from server import run_command

            return run_command.main(given, __doc__)


def _warn(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
