"""The addresses that machine learning platforms call on a container: Azure ML, SageMaker, MLflow."""

from app.api.platforms.rest import blueprint

__all__ = ["blueprint"]
