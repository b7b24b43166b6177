"""What a file is, told from its first bytes, whatever its name: the one table of files that are no pictures here.

Each reason says what the file is and what to do about it. Signatures are those of the formats' own specifications and
of the `file` program's database.
"""

from __future__ import annotations

import codecs
import re

HEAD = 4096
"""Bytes of a file that are looked at."""

RAW = "camera raw: export as JPEG or TIFF"
FILM = "a film: export the frames to be used as JPEG or PNG"
SOUND = "sound, not a picture: take it out of the folder"
PROGRAM = "a program, not a picture: take it out of the folder"
ARCHIVE = "an archive or compressed file: unpack it"
DOCUMENT = "a document: export its pictures as JPEG or PNG"
DRAWING = "a vector drawing: export as PNG"
DATA = "data, not a picture: export what it shows as PNG or TIFF"
SCIENCE = "a scientific image: export as PNG or TIFF"
LAYERS = "a picture of an image editor: export as PNG, JPEG or TIFF"
OTHER = "a picture of a format that is not read: convert to PNG or JPEG"
SYSTEM = "left behind by a file manager, not a picture: take it out of the folder"
PAGE = "a web page, not a picture: download the picture itself"
SVG = "an SVG drawing: export as PNG"
XML = "XML, such as a server's error message, not a picture: download the picture itself"
TEXT = "text, not a picture: take it out of the folder"
BASE64 = "a picture written as Base64 text: decode it to a file"
JXL = "a JPEG XL picture: convert to PNG or JPEG"
APPLE = "a PNG that was packed into an app for Apple's devices: take the original"
JPEG = "a JPEG of a kind that is not read, lossless or of more than 8 bits: convert to PNG"
ZEROS = "begins with nothing but zeros, as a copy or download does that was cut off: fetch it again"
EMPTY = "empty file: fetch it again"
ANNEX = "a git-annex pointer: run git annex get"
UNKNOWN = "not a picture of a known format: export as JPEG or PNG, or take it out of the folder"

_FROM_FOLDER = re.compile("(:|, or) take it out of the folder$")


def without_folder(reason: str) -> str:
    """A reason of those above for a file that came alone, which there is no folder to take out of."""
    return _FROM_FOLDER.sub("", reason)


_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (4, b"\x10\0\0\0CR\x02\0", RAW), (0, b"FUJIFILMCCD-RAW", RAW),
    (0, b"IIRO", RAW), (0, b"IIRS", RAW), (0, b"MMOR", RAW), (0, b"IIU\0", RAW), (0, b"\0MRM", RAW), (0, b"FOVb", RAW),
    (0, b"II\x1a\0\0\0HEAPCCDR", RAW),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", JXL), (0, b"\xff\x0a", JXL),
    (0, b"\x1a\x45\xdf\xa3", FILM), (0, b"FLV\x01", FILM), (0, b"\0\0\x01\xba", FILM), (0, b"\0\0\x01\xb3", FILM),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", FILM), (0, b".RMF", FILM), (0, b"\x8aMNG", FILM), (8, b"AVI ", FILM),
    (4, b"moov", FILM), (4, b"mdat", FILM), (4, b"wide", FILM), (4, b"free", FILM), (4, b"skip", FILM),
    (8, b"WAVE", SOUND), (8, b"RMID", SOUND), (0, b"ID3", SOUND), (0, b"fLaC", SOUND), (0, b"OggS", SOUND),
    (0, b"MThd", SOUND), (8, b"AIFF", SOUND), (8, b"AIFC", SOUND), (0, b".snd", SOUND), (0, b"#!AMR", SOUND),
    (0, b"\xff\xfb", SOUND), (0, b"\xff\xf3", SOUND), (0, b"\xff\xf2", SOUND), (0, b"\xff\xf1", SOUND),
    (0, b"\xff\xf9", SOUND),
    (0, b"\x7fELF", PROGRAM), (0, b"MZ", PROGRAM), (0, b"\xca\xfe\xba\xbe", PROGRAM), (0, b"\xfe\xed\xfa", PROGRAM),
    (0, b"\xce\xfa\xed\xfe", PROGRAM), (0, b"\xcf\xfa\xed\xfe", PROGRAM), (0, b"#!", PROGRAM), (0, b"\0asm", PROGRAM),
    (0, b"dex\n", PROGRAM), (0, b"!<arch>", PROGRAM),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", DOCUMENT), (0, b"{\\rtf", DOCUMENT), (0, b"AT&TFORM", DOCUMENT),
    (30, b"[Content_Types].xml", DOCUMENT), (30, b"mimetypeapplication/", DOCUMENT), (0, b"ITSF", DOCUMENT),
    (0, b"PK\x03\x04", ARCHIVE), (0, b"PK\x05\x06", ARCHIVE), (0, b"\x1f\x8b", ARCHIVE), (0, b"BZh", ARCHIVE),
    (0, b"\xfd7zXZ", ARCHIVE), (0, b"\x28\xb5\x2f\xfd", ARCHIVE), (0, b"7z\xbc\xaf\x27\x1c", ARCHIVE),
    (0, b"Rar!", ARCHIVE), (257, b"ustar", ARCHIVE), (0, b"\x04\x22\x4d\x18", ARCHIVE), (0, b"MSCF", ARCHIVE),
    (0, b"%!PS", DRAWING), (0, b"\xc5\xd0\xd3\xc6", DRAWING), (0, b"\xd7\xcd\xc6\x9a", DRAWING), (40, b" EMF", DRAWING),
    (0, b"AC10", DRAWING), (8, b"CDR", DRAWING),
    (0, b"8BPS", "a Photoshop file: export as PNG, JPEG or TIFF"), (0, b"gimp xcf", LAYERS),
    (0, b"SIMPLE  =", SCIENCE), (128, b"DICM", "a DICOM image: export as PNG or TIFF"), (344, b"n+1\0", SCIENCE),
    (344, b"ni1\0", SCIENCE), (0, b"NRRD", SCIENCE), (0, b"\xda\xa2\xce\xb2", SCIENCE),
    (0, b"\x89HDF\r\n\x1a\n", DATA), (0, b"CDF\x01", DATA), (0, b"CDF\x02", DATA), (0, b"\x93NUMPY", DATA),
    (0, b"MATLAB 5.0", DATA), (0, b"SQLite format 3\0", DATA), (0, b"PAR1", DATA), (0, b"ARROW1", DATA),
    (0, b"FEA1", DATA), (0, b"\x80\x04\x95", DATA), (0, b"\x80\x03", DATA), (0, b"\x80\x02", DATA),
    (0, b"\x80\x05\x95", DATA),
    (0, b"qoif", OTHER), (0, b"DDS ", OTHER), (0, b"\x76\x2f\x31\x01", OTHER), (0, b"#?RADIANCE", OTHER),
    (0, b"#?RGBE", OTHER), (0, b"icns", OTHER), (0, b"\0\0\x02\0", OTHER), (0, b"\x01\xda", OTHER),
    (0, b"II\xbc", OTHER), (0, b"BPG\xfb", OTHER), (0, b"FLIF", OTHER), (0, b"\x8bJNG", OTHER),
    (0, b"\xabKTX ", OTHER), (8, b"ILBM", OTHER), (8, b"ACON", OTHER), (0, b"P7\n", OTHER), (0, b"PF\n", OTHER),
    (0, b"/* XPM */", OTHER),
    (0, b"\x0a\x05\x01\x08", OTHER), (0, b"\x59\xa6\x6a\x95", OTHER), (0, b"SDPX", OTHER), (0, b"XPDS", OTHER),
    (0, b"\0\x05\x16\x07", SYSTEM), (0, b"\0\x05\x16\0", SYSTEM), (0, b"L\0\0\0\x01\x14\x02\0", SYSTEM),
    (0, b"bplist00", SYSTEM), (0, b"\0\0\0\x01Bud1", SYSTEM), (0, b"[InternetShortcut]", SYSTEM),
    (0, b"version https://git-lfs.github.com/spec/", "a Git LFS pointer: run git lfs pull"),
    (0, b"/annex/objects/", ANNEX),
    (0, b"data:image/", BASE64), (0, b"/9j/", BASE64), (0, b"iVBORw0KGgo", BASE64),
)  # fmt: skip
"""Where a signature lies, the signature, and the reason; of several that fit, the first counts."""

_PICTURES = (
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51",
    b"\0\0\x01\0",
)  # fmt: skip
"""How a file begins that is certainly meant as a picture that is read."""
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # bytes of the header that follows "BM" and twelve bytes more

_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_AVIF = {b"avif", b"avis"}
_SOUND = {b"M4A ", b"M4B ", b"M4P ", b"F4A "}

_MARKUP = (
    (re.compile(r"<svg[\s>:]|<svg:svg|<!doctype\s+svg", re.I), SVG),
    (re.compile(r"^\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|title|script|meta|div|p|h1|br)\b", re.I | re.S),
     PAGE),
    (re.compile(r"<html\b", re.I), PAGE),
    (re.compile(r"^\s*<(\?xml|!--|[a-z][\w:.-]*[\s/>])", re.I), XML),
    (re.compile(r"^[./]*\.git/annex/objects/\S+\s*$"), ANNEX),
)  # fmt: skip


def refusal(head: bytes) -> str | None:
    """Why a file with these first bytes, at most `HEAD` of them, is not decoded; None if it may be a picture.

    A Photoshop document, a film and a text have their reasons here; whether a picture can be decoded, or is damaged, is
    for the decoder to say.
    """
    if head[4:8] == b"jP  " and head[20:24] == b"mjp2":  # Motion JPEG 2000
        return FILM
    if head[:4] == b"\x89PNG" and head[12:16] == b"CgBI":
        return APPLE
    if head.startswith(_PICTURES) or _is_webp(head) or _is_bmp(head) or _is_pnm(head):
        return None
    if not head:
        return EMPTY
    if head[4:8] == b"ftyp":
        return _of_brands(brands(head))
    if b"%PDF-" in head[:1024]:
        return "a PDF document: export its pages as JPEG or PNG"
    text = _text(head)
    for at, signature, reason in _SIGNATURES:
        if head.startswith(signature, at) and not (at and text) and not (at > 4 and is_tiff(head)):
            return reason
    if head[:1] == head[188:189] == head[376:377] == b"\x47":  # packets of an MPEG transport stream
        return FILM
    if not any(head) and len(head) >= 16:
        return ZEROS
    if text is None or is_tiff(head):
        return None
    return next((reason for pattern, reason in _MARKUP if pattern.search(text)), TEXT)


def is_heif(head: bytes) -> bool:
    """Whether a file that begins so is a HEIC or HEIF picture, which only an optional package reads."""
    return head[4:8] == b"ftyp" and bool(brands(head) & _HEIF) and not brands(head) & _AVIF


def brands(head: bytes) -> set[bytes]:
    """The four-letter names by which a file of the ISO base media format (ISO/IEC 14496-12) says what it holds."""
    end = min(int.from_bytes(head[:4], "big") or len(head), len(head))
    return {head[8:12]} | {head[at : at + 4] for at in range(16, end - 3, 4)}


def _of_brands(named: set[bytes]) -> str | None:
    if named & (_HEIF | _AVIF):
        return None
    if b"crx " in named:
        return RAW
    if b"jxl " in named:
        return JXL
    return SOUND if named & _SOUND else FILM


def is_tiff(head: bytes) -> bool:
    """Whether a file begins as a TIFF file does, which may also be the raw file of a camera."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _is_webp(head: bytes) -> bool:
    return head.startswith(b"RIFF") and head.startswith(b"WEBP", 8)


def _is_bmp(head: bytes) -> bool:
    return head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS


def _is_pnm(head: bytes) -> bool:
    return re.match(rb"P([0-6f]|[0y]\w+)\s+[\d#]", head) is not None


def _text(head: bytes) -> str | None:
    """The beginning of a text, in UTF-8, UTF-16 with a byte order mark, or an encoding of one byte a letter; else None.

    No text holds control characters, and one that is no Unicode has few letters outside of ASCII.
    """
    try:
        wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = codecs.getincrementaldecoder("utf-16" if wide else "utf-8-sig")().decode(head)  # the last may be cut off
    except UnicodeDecodeError:
        text = head.decode("latin-1")
        if sum(c > "~" for c in text) > 0.3 * len(text):
            return None
    return None if re.search(r"[\0-\x08\x0e-\x1a\x1c-\x1f]", text) else text


_FRAMES = {0xF7, *range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG that begin the header of a picture: ITU T.81, table B.1, and T.87."""
_READ_FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)


def is_other_jpeg(data: bytes) -> bool:
    """Whether a JPEG file is sound as far as the header of its picture, and of a kind that libjpeg does not read."""
    at = 2
    while data[at : at + 1] == b"\xff" and at + 5 <= len(data):
        if data[at + 1] in _FRAMES:
            return data[at + 1] not in _READ_FRAMES or data[at + 4] != 8
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return False
