"""All pages."""

from typing import Final

from fastapi import APIRouter

from server.web.pages import account, overview, proposals, sign_in

ROUTERS: Final[tuple[APIRouter, ...]] = (sign_in.router, account.router, overview.router, proposals.router)
