"""Shapes of the platforms' answers."""

from marshmallow import Schema, fields


class PredictionsSchema(Schema):
    """MLflow: one prediction per row."""

    predictions = fields.List(fields.Raw(), required=True)


class ResultsSchema(Schema):
    """Azure ML's AutoML."""

    Results = fields.List(fields.Raw(), required=True)


class MessageSchema(Schema):
    """Every error at /score."""

    message = fields.String(required=True)


class MlflowErrorSchema(MessageSchema):
    """Every error at /invocations."""

    error_code = fields.String(required=True)
