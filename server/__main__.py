"""Start the server: `python -m server --config FILE`. One process: API, ingest and broker connection."""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import uvicorn

from server.app import open_house, running
from server.config import ConfigWrong, HttpSettings, Settings, read_settings
from server.keys import KeysUnusable


class _Api(uvicorn.Server):
    """uvicorn that leaves signals to us and says when it listens."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            print(f"fanka server ready: http://{self.config.host}:{port}", flush=True)


def main() -> int:
    """Run until SIGTERM or SIGINT. Returns 0, or 2 when the configuration is wrong."""
    parser = argparse.ArgumentParser(prog="python -m server", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="a TOML file")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(_serve(read_settings(parser.parse_args().config)))
    except (ConfigWrong, KeysUnusable) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


async def _serve(settings: Settings) -> None:
    async with open_house(settings) as house, running(house):
        api = _Api(_api_config(house.app, settings.http))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: setattr(api, "should_exit", True))
        await api.serve()


def _api_config(app: object, settings: HttpSettings) -> uvicorn.Config:
    return uvicorn.Config(app, settings.host, settings.port, log_config=None, access_log=False)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
