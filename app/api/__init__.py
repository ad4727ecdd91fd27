"""The HTTP door. Each blueprint is a package: ``rest.py`` routes, ``schemas.py`` shapes."""
