"""The route of the metrics."""

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from app.api.access import about_every_model, needs
from app.services import services

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@needs("metrics:read")
@about_every_model
def metrics() -> Response:
    """The numbers of every worker of this server, in Prometheus' text format or OpenMetrics."""
    prometheus = services().observation.prometheus
    if prometheus is None:
        raise NotFound("Metrics are off; set SLUICE_METRICS=on.")
    body, content_type = prometheus.render(request.headers.get("Accept", ""))
    return Response(body, content_type=content_type)
