"""What the cache did and whether it pays; clearing and warming it."""

from app.api.cache_stats.rest import blueprint

__all__ = ["blueprint"]
