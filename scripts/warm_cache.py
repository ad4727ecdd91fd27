"""Fills the cache of a running server: python scripts/warm_cache.py FILE --model NAME [--top N] [--url URL].

The same as ``flask --app wsgi cache warm``, without building an application: it needs nothing but the server's address.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.commands.cache import warm

if __name__ == "__main__":
    warm()
