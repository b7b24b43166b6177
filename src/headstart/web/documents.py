"""What is sent and received, for OpenAPI. Answers are not made from these records; tests compare the two."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

_FILE = {"type": "string", "format": "binary", "minLength": 1}
_FORM = {"type": "object", "additionalProperties": {"type": "array", "items": _FILE, "minItems": 1}, "minProperties": 1}
PICTURES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A picture as the body, whatever its format and the content type; or several as the files of a "
        "form. What a file is, is decided by its content.",
        "content": {
            "application/octet-stream": {"schema": _FILE},
            "image/*": {"schema": _FILE},
            "multipart/form-data": {"schema": _FORM, "encoding": {"picture": {"contentType": "image/*"}}},
        },
    }
}
_ROW: dict[str, Any] = {
    "path": "new.jpg",
    "label": "ants",
    "probability": 0.9871,
    "top": [["ants", 0.9871], ["bees", 0.0129]],
    "prediction_set": ["ants"],
    "unsure": False,
    "unfamiliar": False,
    "novelty": 0.41,
    "answer": None,
    "reason": "",
}
_PROBLEM: dict[str, Any] = {
    "expected": "a picture that can be read",
    "found": "new.jpg: no picture: begins like a PDF document",
    "todo": "send another file",
}


class Row(BaseModel):
    """The answer for a picture."""

    path: str | None
    """The name that was sent with it."""
    label: str | None
    """The most probable class; null for a picture that could not be read."""
    probability: float | None
    top: list[tuple[str, float]]
    """Classes and their calibrated probabilities, the most probable first."""
    prediction_set: list[str] | None
    """Classes that cannot be ruled out; null for a model that gives none."""
    unsure: bool | None
    unfamiliar: bool | None
    """Whether the picture is unlike those of training."""
    novelty: float | None
    """From 0 up; above 1 the picture is unfamiliar."""
    answer: str | None
    """What costs least on average, for a model that was given costs."""
    reason: str
    """Why there is no label."""


class Predictions(BaseModel):
    """The answers of a request, in the order of its pictures; what `headstart predict --json` prints."""

    classes: list[str]
    coverage: float | None
    predictions: list[Row]

    model_config = {
        "json_schema_extra": {"examples": [{"classes": ["ants", "bees"], "coverage": 0.9, "predictions": [_ROW]}]}
    }


class Classes(BaseModel):
    """What the model tells apart."""

    classes: list[str]
    coverage: float | None
    """How often the true class is in a prediction set, where a request asks for no other; null without such sets."""
    fingerprint: str
    """Of the model in use."""

    model_config = {
        "json_schema_extra": {
            "examples": [{"classes": ["ants", "bees"], "coverage": 0.9, "fingerprint": "0f3a5c7e9b1d2468"}]
        }
    }


class State(BaseModel):
    """Whether the server lives, or wants requests."""

    state: str
    model_config = {"json_schema_extra": {"examples": [{"state": "ready"}]}}


class Reloaded(BaseModel):
    """What looking for another model came to."""

    changed: bool
    fingerprint: str
    model_config = {"json_schema_extra": {"examples": [{"changed": True, "fingerprint": "0f3a5c7e9b1d2468"}]}}


class ProblemFound(BaseModel):
    """One thing that is wrong with a request."""

    expected: str
    found: str
    todo: str


class Error(BaseModel):
    """Why a request was not answered, with all that is wrong with it."""

    error: str
    problems: list[ProblemFound]

    model_config = {"json_schema_extra": {"examples": [{"error": "no picture could be read", "problems": [_PROBLEM]}]}}


_REASONS = {
    400: "The request cannot be understood.",
    401: "The token is missing or wrong.",
    403: "The server has no token, so that this is open to nobody.",
    404: "There is no such thing.",
    405: "Not with this method.",
    408: "The request took too long to arrive.",
    413: "Too many bytes or pictures.",
    422: "None of the pictures can be read.",
    503: "No room now: send it again after the seconds in Retry-After.",
}


def refused(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The statuses with which a route refuses."""
    return {status: {"model": Error, "description": _REASONS[status]} for status in statuses}


_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype", "data"],
    "properties": {
        "name": {"const": "image"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1},
        "datatype": {"enum": ["BYTES", "UINT8"]},
        "data": {"type": "array"},
    },
}
INFER: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["inputs"],
                    "properties": {
                        "id": {"type": "string"},
                        "inputs": {"type": "array", "items": _TENSOR, "minItems": 1, "maxItems": 1},
                    },
                },
                "example": {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": ["iVBORw0KGgo="]}]},
            }
        },
    }
}
"""A request of the Open Inference Protocol, each picture a file in base64."""
