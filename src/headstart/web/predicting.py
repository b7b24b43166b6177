"""Routes that answer pictures, in the words and numbers of `headstart predict --json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from headstart.deploy.model import Prediction
from headstart.deploy.predictions import row
from headstart.errors import Problem
from headstart.files import display
from headstart.web.access import requires
from headstart.web.body import Upload, read_body, uploads
from headstart.web.documents import PICTURES, Classes, Predictions, refused
from headstart.web.refusals import Refusal
from headstart.web.service import Service

Top = Annotated[
    int | None, Query(ge=1, description="How many of the most probable classes a row names; all by default.")
]
Coverage = Annotated[
    float | None, Query(ge=0, le=1, description="How often the true class is to be in the prediction set.")
]


def routes(service: Service) -> APIRouter:
    """``/predict`` and ``/classes``."""
    router = APIRouter(dependencies=[Depends(requires(service.options.token))], tags=["pictures"])
    options = service.options

    @router.post(
        "/predict",
        summary="Answer pictures",
        response_model=Predictions,
        responses=refused(400, 401, 408, 413, 422, 503),
        openapi_extra=PICTURES,
    )
    async def predict(request: Request, top: Top = None, coverage: Coverage = None) -> Response:
        """An answer for each picture, in the order sent; where one cannot be read, the reason is in its place."""
        with service.admission.share() as share:
            body = await read_body(request, options, share)
            pictures = await uploads(request, body, options)
            share.add(pictures=len(pictures) - 1)
            served = service.live.current
            predictions = await service.predict(served, pictures, coverage=coverage)
        classes = served.model.classes
        rows = [
            {**row(prediction, classes, top=top or len(classes)), "path": _name(upload)}
            for prediction, upload in zip(predictions, pictures, strict=True)
        ]
        require_one(predictions, pictures)
        covers = served.model.abstention.covers(coverage)
        return JSONResponse({"classes": classes, "coverage": covers, "predictions": rows})

    @router.get("/classes", summary="What is told apart", response_model=Classes, responses=refused(401))
    async def classes() -> dict[str, Any]:
        """The classes of the model in use."""
        served = service.live.current
        return {"classes": served.model.classes, "coverage": served.coverage, "fingerprint": served.fingerprint}

    return router


def require_one(predictions: Sequence[Prediction], pictures: Sequence[Upload], *, all_: bool = False) -> None:
    """Raise Refusal (422) where no picture could be read, with ``all_`` where any could not."""
    unread = [(one, upload) for one, upload in zip(predictions, pictures, strict=True) if one.proba is None]
    if not unread or (len(unread) < len(pictures) and not all_):
        return
    problems = [
        Problem(
            expected="a picture that can be read",
            found=f"{_name(upload) or f'picture {one.position + 1}'}: {one.reason}",
            todo="send another file",
        )
        for one, upload in unread
    ]
    raise Refusal(422, "pictures cannot be read", problems)


def _name(upload: Upload) -> str | None:
    return None if upload.name is None else display(upload.name)
