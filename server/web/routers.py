"""All pages."""

from typing import Final

from fastapi import APIRouter

from server.web.pages import (
    account,
    card_money,
    cards,
    cases,
    days,
    enrolments,
    holders,
    overview,
    prices,
    proof,
    proposals,
    shifts,
    sign_in,
    terminal_acts,
    terminals,
    trail,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    sign_in.router,
    account.router,
    overview.router,
    terminals.router,
    terminal_acts.router,
    enrolments.router,
    shifts.router,
    trail.router,
    proposals.router,
    days.router,
    cards.router,
    card_money.router,
    holders.router,
    proof.router,
    cases.router,
    prices.router,
)
