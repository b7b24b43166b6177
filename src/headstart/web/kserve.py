"""The Open Inference Protocol (KServe V2) over HTTP/JSON: a thin adapter to the same answers.

Specification: kserve/open-inference-protocol, version 2. Pictures are one input, ``image``: BYTES, each a file
in base64, or UINT8 (n, height, width, 3), pixels. Tensors have no place for a reason: one picture that cannot be read
refuses the request.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from headstart.deploy.model import Prediction
from headstart.images.decode import encode
from headstart.versions import version
from headstart.web.access import requires
from headstart.web.body import Upload, read_body
from headstart.web.documents import INFER, refused
from headstart.web.predicting import require_one
from headstart.web.refusals import Refusal
from headstart.web.service import Service

IMAGE = "image"
_EXPECTED = (
    'one input {"name": "image", "shape": [n], "datatype": "BYTES", "data": [files in base64]}, or of datatype UINT8 '
    "and shape [n, height, width, 3]"
)


def routes(service: Service) -> APIRouter:
    """``/v2`` and what is below it; the one model has the name of the run folder."""
    router = APIRouter(prefix="/v2", tags=["KServe V2"])
    token = [Depends(requires(service.options.token))]

    reading = asyncio.Lock()
    """Held while JSON is read, which may take twenty times the memory of its text: one at a time."""

    def require_name(name: str) -> None:
        if name != service.live.name:
            expected, found = f"the model {service.live.name}", name
            raise Refusal.of(404, "no such model", expected=expected, found=found, todo="use its name")

    @router.get("", summary="The server", response_model=dict[str, Any])
    async def server() -> dict[str, Any]:
        """Name and version."""
        return {"name": "headstart", "version": version("headstart"), "extensions": []}

    @router.get("/health/live", summary="Whether it lives", response_model=dict[str, bool])
    async def live() -> dict[str, bool]:
        """As ``/health``."""
        return {"live": True}

    @router.get("/health/ready", summary="Whether it wants requests", response_model=dict[str, bool])
    async def ready() -> Response:
        """As ``/ready``."""
        return JSONResponse({"ready": not service.stopping}, 503 if service.stopping else 200)

    @router.get("/models/{name}", response_model=dict[str, Any], responses=refused(401, 404), dependencies=token)
    async def model(name: str) -> dict[str, Any]:
        """Inputs, outputs, and the classes in the order of ``probabilities``."""
        require_name(name)
        served = service.live.current
        outputs = [("label", "BYTES", [-1]), ("probabilities", "FP64", [-1, len(served.model.classes)])]
        doubts = [("novelty", "FP64", [-1]), ("unsure", "BOOL", [-1]), ("unfamiliar", "BOOL", [-1])]
        return {
            "name": name,
            "versions": [served.fingerprint],
            "platform": "headstart",
            "inputs": [{"name": IMAGE, "datatype": "BYTES", "shape": [-1]}],
            "outputs": [{"name": n, "datatype": d, "shape": s} for n, d, s in outputs + doubts],
            "parameters": {"classes": served.model.classes},
        }

    @router.get("/models/{name}/ready", response_model=dict[str, Any], responses=refused(404))
    async def model_ready(name: str) -> Response:
        """As ``/ready``."""
        require_name(name)
        return JSONResponse({"name": name, "ready": not service.stopping}, 503 if service.stopping else 200)

    @router.post(
        "/models/{name}/infer",
        response_model=dict[str, Any],
        responses=refused(400, 401, 404, 408, 413, 422, 503),
        dependencies=token,
        openapi_extra=INFER,
    )
    async def infer(name: str, request: Request) -> Response:
        """Answer pictures; outputs that the model has not learned are left out."""
        require_name(name)
        with service.admission.share() as share:
            body = await read_body(request, service.options, share, most=service.options.most_json)
            async with reading:
                id_, files = await asyncio.to_thread(_asked, body, service.options.most_pictures)
            share.add(pictures=len(files) - 1)
            served, uploads = service.live.current, [Upload(name=None, data=file) for file in files]
            predictions = await service.predict(served, uploads)
        require_one(predictions, uploads, all_=True)
        outputs = _outputs(predictions, served.model.classes)
        named = {"id": id_} if isinstance(id_, str) else {}
        return JSONResponse({"model_name": name, "model_version": served.fingerprint, **named, "outputs": outputs})

    return router


def _asked(body: bytes, most: int) -> tuple[Any, list[bytes]]:
    """The id of a request, None without one, and its files. Raises Refusal (400, or 413 for too many)."""
    try:
        document = json.loads(body)
        (given,) = (tensor for tensor in document["inputs"] if tensor["name"] == IMAGE)
        shape, data = [int(side) for side in given["shape"]], given["data"]
        if min(shape) < 1:
            raise ValueError(f"shape {shape}")
        if shape[0] > most:
            todo = "send them in several requests"
            raise Refusal.of(413, "too many pictures", expected=f"{most} or fewer", found=str(shape[0]), todo=todo)
        if given["datatype"] == "BYTES" and len(shape) == 1 and len(data) == shape[0]:
            return document.get("id"), [base64.b64decode(file, validate=True) for file in data]
        if given["datatype"] == "UINT8" and len(shape) == 4 and shape[3] == 3:
            pixels = np.array(data, np.uint8).reshape(shape)
            return document.get("id"), [encode(one, format="PNG") for one in pixels]
        found = f"{given['datatype']} of shape {shape} with {len(data)} elements"
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        found = f"{type(error).__name__}: {error}"[:200]
    raise Refusal.of(400, "no request of the protocol", expected=_EXPECTED, found=found, todo="see /openapi.json")


def _outputs(predictions: Sequence[Prediction], classes: Sequence[str]) -> list[dict[str, Any]]:
    proba = np.array([prediction.proba for prediction in predictions])
    labels = [classes[i] for i in proba.argmax(axis=1)]
    outputs: list[tuple[str, str, list[Any]]] = [("label", "BYTES", labels)]
    kinds = {"novelty": "FP64", "unsure": "BOOL", "unfamiliar": "BOOL"}
    for name, datatype in kinds.items():
        outputs.append((name, datatype, [getattr(prediction, name) for prediction in predictions]))
    n, k = proba.shape
    return [
        {"name": "probabilities", "datatype": "FP64", "shape": [n, k], "data": proba.ravel().tolist()},
        *({"name": o, "datatype": d, "shape": [n], "data": data} for o, d, data in outputs if None not in data),
    ]
