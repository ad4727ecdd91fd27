"""Definitions of the models that come with the server: data, training, and what their manifests say."""
