"""Whether there is anything to answer with: what load balancers are told at every door."""

from app.registry.registry import Registry


def can_answer(registry: Registry) -> bool:
    """True when the default model is served, or any model where there is no default."""
    models = registry.models
    if registry.default_model is None:
        return any(model.served for model in models.values())
    return registry.default_model in models and models[registry.default_model].served is not None
