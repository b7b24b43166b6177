"""Files that are no pictures here, by their first bytes: each has its reason, and none is called damaged."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import struct
import tarfile
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest

from headstart.errors import UnreadableImageError
from headstart.images import sniff
from headstart.images.decode import decode
from headstart.images.recognise import read_header


def box(kind: bytes, payload: bytes = b"") -> bytes:
    return struct.pack(">I", 8 + len(payload)) + kind + payload


def ftyp(*brands: bytes) -> bytes:
    return box(b"ftyp", brands[0] + bytes(4) + b"".join(brands)) + box(b"mdat", bytes(range(200)))


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "x" * 50)
    return stream.getvalue()


def tarred() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.jpg"), None)
    return stream.getvalue()


def waved() -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        sound.writeframes(bytes(400))
    return stream.getvalue()


def numpied() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros((4, 4)))
    return stream.getvalue()


NOISE = bytes(np.random.default_rng(0).integers(1, 256, 600, dtype=np.uint8))
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 48213\n"
LFS_REASON = "a Git LFS pointer: run git lfs pull"
XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>'

CASES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", sniff.EMPTY),
    "zeros": (bytes(5000), sniff.ZEROS),
    "lfs": (LFS, LFS_REASON),
    "annex": (b"/annex/objects/SHA256E-s4--abc.jpg\n", "a git-annex pointer: run git annex get"),
    "annex, locked": (b"../../.git/annex/objects/Xx/1y/SHA256E-s4--abc/SHA256E-s4--abc.jpg", sniff.ANNEX),
    "html": (b"<!DOCTYPE html><html><title>404</title></html>", sniff.PAGE),
    "html after blanks and a mark": (b"\xef\xbb\xbf\r\n  <HTML lang=de><head></head>", sniff.PAGE),
    "html after a comment": (b"<!-- saved from url --><html><body>", sniff.PAGE),
    "html after a declaration": (XML + b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML"><html>', sniff.PAGE),
    "html in UTF-16": ("\ufeff<!doctype html><html>".encode("utf-16-le"), sniff.PAGE),
    "html without its tags": (b"<script>location='/login'</script>", sniff.PAGE),
    "xml of a server": (XML + b"<Error><Code>AccessDenied</Code></Error>", sniff.XML),
    "xml of notes": (b"<annotation><folder>a</folder></annotation>", sniff.XML),
    "svg": (SVG, sniff.SVG),
    "svg after a declaration": (XML + b"<!-- Generator -->\n" + SVG, sniff.SVG),
    "svg in UTF-16": (("\ufeff" + SVG.decode()).encode("utf-16-be"), sniff.SVG),
    "text": (b"no picture at all", sniff.TEXT),
    "text in Chinese, cut within a letter": (("不是图片" * 2000).encode(), sniff.TEXT),
    "text in Latin-1": ("Das ist kein Bild, sondern größer als Büro".encode("latin-1"), sniff.TEXT),
    "text that begins like a film": (b"the free encyclopedia", sniff.TEXT),
    "text that begins like a bitmap": (b"BMW,red\nBMX,blue\n", sniff.TEXT),
    "text that begins like a PNM": (b"P1 is the first plate\n", sniff.TEXT),
    "table": (b"path,label\na.jpg,b\n", sniff.TEXT),
    "json": (json.dumps({"images": [1, 2]}).encode(), sniff.TEXT),
    "base64": (b"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBg" * 3, sniff.BASE64),
    "data URI": (b"data:image/png;base64,iVBORw0KGgo=", sniff.BASE64),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "a PDF document: export its pages as JPEG or PNG"),
    "pdf after rubbish": (b"\n\n%PDF-1.4\n1 0 obj", "a PDF document: export its pages as JPEG or PNG"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n", sniff.DRAWING),
    "eps with a preview": (b"\xc5\xd0\xd3\xc6" + bytes(range(40)), sniff.DRAWING),
    "rtf": (b"{\\rtf1\\ansi hello}", sniff.DOCUMENT),
    "word": (zipped("[Content_Types].xml", "word/document.xml"), sniff.DOCUMENT),
    "opendocument": (b"PK\x03\x04" + bytes(26) + b"mimetypeapplication/vnd.oasis", sniff.DOCUMENT),
    "old office": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), sniff.DOCUMENT),
    "djvu": (b"AT&TFORM\0\0\0\x10DJVU", sniff.DOCUMENT),
    "photoshop": (b"8BPS\0\1" + bytes(20), "a Photoshop file: export as PNG, JPEG or TIFF"),
    "gimp": (b"gimp xcf v011\0" + bytes(20), sniff.LAYERS),
    "zip": (zipped("a.jpg"), sniff.ARCHIVE),
    "empty zip": (zipped(), sniff.ARCHIVE),
    "gzip": (gzip.compress(b"x" * 50), sniff.ARCHIVE),
    "bzip2": (b"BZh91AY&SY" + NOISE, sniff.ARCHIVE),
    "xz": (b"\xfd7zXZ\0" + NOISE, sniff.ARCHIVE),
    "zstd": (b"\x28\xb5\x2f\xfd" + NOISE, sniff.ARCHIVE),
    "7z": (b"7z\xbc\xaf\x27\x1c" + NOISE, sniff.ARCHIVE),
    "rar": (b"Rar!\x1a\x07\x01\0" + NOISE, sniff.ARCHIVE),
    "tar": (tarred(), sniff.ARCHIVE),
    "mov": (ftyp(b"qt  "), sniff.FILM),
    "mp4": (ftyp(b"isom", b"avc1", b"mp41"), sniff.FILM),
    "3gp": (ftyp(b"3gp4"), sniff.FILM),
    "mov without a type": (box(b"wide") + box(b"mdat", bytes(80)), sniff.FILM),
    "mov that begins with its index": (box(b"moov", box(b"mvhd", bytes(80))), sniff.FILM),
    "avi": (b"RIFF\x40\0\0\0AVI LIST" + bytes(50), sniff.FILM),
    "mkv": (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01" + NOISE, sniff.FILM),
    "flv": (b"FLV\x01\x05" + bytes(20), sniff.FILM),
    "wmv": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + NOISE, sniff.FILM),
    "mpeg": (b"\0\0\x01\xba" + NOISE, sniff.FILM),
    "transport stream": ((b"\x47" + NOISE[:187]) * 5, sniff.FILM),
    "motion jpeg 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + ftyp(b"mjp2"), sniff.FILM),
    "m4a": (ftyp(b"M4A ", b"isom"), sniff.SOUND),
    "wav": (waved(), sniff.SOUND),
    "mp3": (b"ID3\x03" + bytes(60), sniff.SOUND),
    "mp3 without a tag": (b"\xff\xfb\x90\x64" + NOISE, sniff.SOUND),
    "flac": (b"fLaC\0\0\0\x22" + bytes(40), sniff.SOUND),
    "ogg": (b"OggS\0\x02" + bytes(40), sniff.SOUND),
    "midi": (b"MThd\0\0\0\x06" + bytes(10), sniff.SOUND),
    "elf": (b"\x7fELF\x02\x01\x01" + bytes(60), sniff.PROGRAM),
    "exe": (b"MZ\x90\0\x03" + bytes(60), sniff.PROGRAM),
    "mach-o": (b"\xcf\xfa\xed\xfe" + bytes(60), sniff.PROGRAM),
    "script": (b"#!/bin/sh\necho\n", sniff.PROGRAM),
    "wasm": (b"\0asm\1\0\0\0", sniff.PROGRAM),
    "cr2": (b"II*\0\x10\0\0\0CR\x02\0" + NOISE, sniff.RAW),
    "cr3": (ftyp(b"crx ", b"isom"), sniff.RAW),
    "raf": (b"FUJIFILMCCD-RAW 0201" + NOISE, sniff.RAW),
    "orf": (b"IIRO\x08\0\0\0" + NOISE, sniff.RAW),
    "rw2": (b"IIU\0\x18\0\0\0" + NOISE, sniff.RAW),
    "mrw": (b"\0MRM\0\0" + NOISE, sniff.RAW),
    "x3f": (b"FOVb\0\0\x02\0" + NOISE, sniff.RAW),
    "crw": (b"II\x1a\0\0\0HEAPCCDR" + NOISE, sniff.RAW),
    "jxl": (b"\xff\x0a" + NOISE, sniff.JXL),
    "jxl in a box": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(range(200)), sniff.JXL),
    "dicom": (bytes(128) + b"DICM" + NOISE, "a DICOM image: export as PNG or TIFF"),
    "fits": (b"SIMPLE  =                    T" + b" " * 50, sniff.SCIENCE),
    "nifti": (struct.pack("<i", 348) + bytes(340) + b"n+1\0" + bytes(100), sniff.SCIENCE),
    "nrrd": (b"NRRD0004\ntype: float\n", sniff.SCIENCE),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(80), sniff.DATA),
    "numpy": (numpied(), sniff.DATA),
    "matlab": (b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + b" " * 90 + b"\0\1IM", sniff.DATA),
    "sqlite": (b"SQLite format 3\0" + bytes(80), sniff.DATA),
    "parquet": (b"PAR1" + NOISE, sniff.DATA),
    "pickle": (b"\x80\x04\x95" + NOISE, sniff.DATA),
    "qoi": (b"qoif" + NOISE, sniff.OTHER),
    "dds": (b"DDS |\0\0\0" + bytes(100), sniff.OTHER),
    "exr": (b"\x76\x2f\x31\x01" + NOISE, sniff.OTHER),
    "hdr": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", sniff.OTHER),
    "icns": (b"icns\0\0\1\0" + NOISE, sniff.OTHER),
    "cursor": (b"\0\0\x02\0\1\0" + bytes(60), sniff.OTHER),
    "jpeg xr": (b"II\xbc\x01" + NOISE, sniff.OTHER),
    "pam": (b"P7\nWIDTH 2\n", sniff.OTHER),
    "colour pfm": (b"PF\n2 2\n-1.0\n" + bytes(48), sniff.OTHER),
    "macOS metadata": (b"\0\x05\x16\x07\0\x02\0\0" + bytes(80), sniff.SYSTEM),
    "shortcut": (b"L\0\0\0\x01\x14\x02\0" + bytes(80), sniff.SYSTEM),
    "link to a page": (b"[InternetShortcut]\nURL=https://example.org\n", sniff.SYSTEM),
    "png of an app": (b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI" + NOISE, sniff.APPLE),
    **{
        f"jpeg, {name}": (
            b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
            + struct.pack(">2BH", 0xFF, marker, 11)
            + struct.pack(">BHHB3B", bits, 8, 8, 1, 1, 0x11, 0)
            + NOISE,
            sniff.JPEG,
        )
        for name, marker, bits in (("lossless", 0xC3, 8), ("12 bits", 0xC1, 12), ("JPEG-LS", 0xF7, 8))
    },
    "noise": (NOISE, sniff.UNKNOWN),
    "few zeros": (bytes(7), sniff.UNKNOWN),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_no_picture_says_what_it_is_whatever_its_name(name: str, tmp_path: Path) -> None:
    content, reason = CASES[name]
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    for source in (path, content):
        for read in (decode, read_header):
            with pytest.raises(UnreadableImageError) as caught:
                read(source)
            assert caught.value.reason == reason


def test_every_reason_says_what_to_do() -> None:
    reasons = {reason for _, _, reason in sniff._SIGNATURES} | {reason for _, reason in CASES.values()}
    assert len(reasons) > 25
    for reason in reasons:
        what, _, todo = reason.partition(": ")
        assert what
        assert todo
        assert reason == reason.strip(" .")


def test_a_file_that_came_alone_is_taken_out_of_no_folder() -> None:
    assert sniff.without_folder(sniff.TEXT) == "text, not a picture"
    assert sniff.without_folder(sniff.UNKNOWN) == "not a picture of a known format: export as JPEG or PNG"
    reasons = [value for name, value in vars(sniff).items() if name.isupper() and isinstance(value, str)]
    assert not [reason for reason in reasons if "folder" in sniff.without_folder(reason)]
    assert sniff.without_folder(sniff.FILM) == sniff.FILM


def test_a_real_database_is_data(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.jpg") as database:
        database.execute("CREATE TABLE a (b)")
    database.close()
    with pytest.raises(UnreadableImageError, match="data, not a picture"):
        decode(tmp_path / "a.jpg")


def test_only_the_beginning_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = tmp_path / "film.jpg"
    film.write_bytes(ftyp(b"isom"))
    with film.open("r+b") as stream:
        stream.truncate(3 << 30)  # a sparse file, which takes no room
    for read in (decode, read_header):
        with pytest.raises(UnreadableImageError, match="a film"):
            read(film)


def test_brands_end_with_their_box() -> None:
    assert sniff.brands(ftyp(b"mif1", b"heic")) == {b"mif1", b"heic"}
    assert sniff.brands(box(b"ftyp", b"avif")[:12]) == {b"avif"}
    assert sniff.is_heif(ftyp(b"mif1", b"heic"))
    assert not sniff.is_heif(ftyp(b"avif", b"mif1"))
    assert not sniff.is_heif(b"")
