"""From a request to the pictures in it, in memory and within limits: multipart, or the bytes of one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import anyio
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from headstart.web.admission import Share
from headstart.web.refusals import Refusal
from headstart.workflows.serve import ServeOptions

_FORM = "multipart/form-data"


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A picture that was sent."""

    name: str | None
    """Of the file, where one was given."""
    data: bytes


class _InMemory(MultiPartParser):
    """A form of files, each of which stays in memory, and which is refused where its end is missing."""

    spool_max_size = 1 << 40  # bytes: what was admitted is in memory already
    ended = False

    def on_end(self) -> None:
        self.ended = True

    async def parse(self) -> FormData:
        form = await super().parse()
        if not self.ended:
            for file in self._files_to_close_on_error:
                file.close()
            raise MultiPartException("The form was cut off.")
        return form


async def read_body(request: Request, options: ServeOptions, share: Share, *, most: int | None = None) -> bytes:
    """All bytes of a request, within the limits of time and size: ``most`` bytes, where that is not the usual number.

    Raises:
        Refusal: 408, 413, or 503 where other requests hold the memory.
    """
    most = most or options.most_bytes
    if (declared := request.headers.get("content-length", "")).isdecimal() and int(declared) > most:
        raise _too_large(declared, most)
    parts, size = [], 0
    try:
        with anyio.fail_after(options.request_seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_large(f"{size} or more", most)
                share.add(bytes_=len(part))
                parts.append(part)
    except TimeoutError:
        expected, found = f"a request within {options.request_seconds:g} s", f"{size} bytes by then"
        raise Refusal.of(
            408, "the request took too long", expected=expected, found=found, todo="send it faster"
        ) from None
    return b"".join(parts)


async def uploads(request: Request, body: bytes, options: ServeOptions) -> Sequence[Upload]:
    """The pictures in a body: every file of a form, whatever its field is called; else the body itself.

    Raises:
        Refusal: 400 for a form that is none, or has no picture; 413 for too many.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        found = [Upload(name=None, data=body)] if body else []
    else:
        found = await _files(request.headers, body, options)
    if not found:
        todo = "send a picture as the body, or several as the files of a form"
        raise Refusal.of(400, "no picture", expected="one picture or more", found="none", todo=todo)
    return found


async def _files(headers: Headers, body: bytes, options: ServeOptions) -> list[Upload]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    most = options.most_pictures
    try:
        form = await _InMemory(headers, stream(), max_files=most, max_fields=0).parse()
    except MultiPartException as error:
        expected = f"a form of {most} files or fewer, and no other fields"
        status, todo = 400, "send each picture as a file of the form"
        if "Too many files" in error.message:
            status, todo = 413, "send them in several requests"
        raise Refusal.of(
            status, "the form cannot be read", expected=expected, found=error.message, todo=todo
        ) from error
    try:
        sent = [file for _, file in form.multi_items() if isinstance(file, UploadFile)]
        return [Upload(name=file.filename or None, data=await file.read()) for file in sent]
    finally:
        await form.close()


def _too_large(size: str, most: int) -> Refusal:
    expected, todo = (
        f"at most {most} bytes in a request",
        "make the pictures smaller, or send fewer at a time",
    )
    return Refusal.of(413, "the request is too large", expected=expected, found=f"{size} bytes", todo=todo)
