"""Flask-Limiter on the pages that everybody may read and that cost much: the reference and its document.

Counted per address in each worker. The quotas of callers are the gate's; a check here costs too much for their path,
and so would the hooks that run before and after every request: only the views themselves are wrapped.
"""

from typing import Any

from flask import Flask
from flask_limiter import Limiter

from app.api.current import current_visit
from app.gateway.addresses import household

PAGES = "600/minute"


def limit_pages(app: Flask, blueprint: str) -> None:
    """Bound how often one address may ask for the views of a registered blueprint, all together."""
    limiter = Limiter(lambda: household(current_visit().address), storage_uri="memory://", headers_enabled=False)
    app.extensions.setdefault("limiter", set()).add(limiter)  # known already, so init_app adds no hooks of its own
    limiter.init_app(app)
    together: Any = limiter.shared_limit(PAGES, scope=blueprint)
    for endpoint, view in app.view_functions.items():
        if endpoint.startswith(f"{blueprint}."):
            app.view_functions[endpoint] = together(view)
