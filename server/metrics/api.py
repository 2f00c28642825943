"""GET /metrics: for whoever has the token, or for this machine alone; else it is not there."""

import hmac
from hashlib import sha256

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from server.config import MetricsSettings
from server.metrics.service import Metrics

router = APIRouter(tags=["health"])

_LOCAL = frozenset({"127.0.0.1", "::1"})
_PASSED_ON = ("forwarded", "x-forwarded-for", "via")
"""A proxy on this machine says with these that somebody else is asking."""


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, 404: {}})
async def show_metrics(request: Request) -> Response:
    """Figures for Prometheus, in its text format."""
    if not _may_see(request, request.app.state.metrics_settings):
        raise HTTPException(404, "there is nothing here")
    metrics: Metrics = request.app.state.metrics
    return Response(await metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _may_see(request: Request, settings: MetricsSettings) -> bool:
    if settings.token_sha256:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        shown = sha256(token.encode("utf-8", "replace")).hexdigest()
        return scheme.lower() == "bearer" and hmac.compare_digest(shown, settings.token_sha256)
    is_local = request.client is not None and request.client.host in _LOCAL
    return settings.local and is_local and not any(name in request.headers for name in _PASSED_ON)
