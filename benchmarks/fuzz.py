"""Mutated pictures through what ``headstart check`` and ``headstart predict`` do with a picture, and through both.

    python benchmarks/fuzz.py [--count 20000] [--batch 1000] [--run RUN] [--keep FOLDER]

Draws pictures of every format and mode that is read and mutates them: bits flipped, bytes overwritten, pieces cut out,
repeated or taken from another picture, ends cut off, numbers in the header made large. Each file is first recognised,
decoded whole and decoded for a network, in a process of its own for each batch: a process that dies is a crash, a file
that takes over 5 s a hang. Then each batch is a folder of two classes, with ten sound pictures in each, for ``check``
and, where a RUN is given, for ``predict``: each is to end with exit code 0 or 1, with nothing on standard error but
what it says to people, and to account for every file. Files that fail are copied to FOLDER.

Expected: 0 crashes, 0 hangs, every file accounted for, at most 1.5 GB. Measured with 20,000 files, of which 5,409 are
still pictures, in about 30 minutes: 0 failures; 1.38 GB to decode them, 1.26 GB to check and 1.03 GB to label them.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

HANG_S = 5.0
"""Seconds of a processor beyond which one file counts as a hang."""
SOUND = 10
"""Pictures of each class that are not mutated."""

DECODE = """
import resource, sys, time
from pathlib import Path
from headstart.errors import UnreadableImageError
from headstart.images.decode import decode
from headstart.images.recognise import read_header
for path in sys.stdin.read().splitlines():
    print("begin", path, flush=True)
    began, outcome = time.process_time(), "decoded"
    for read in (read_header, decode, lambda path: decode(path, at_least=224)):
        try:
            read(Path(path))
        except UnreadableImageError as error:
            outcome = error.reason
    print("end", f"{time.process_time() - began:.3f}", outcome.replace(chr(10), " "), flush=True)
print("memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def seeds() -> list[bytes]:
    """Pictures of every format and mode."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3)).astype(np.uint8)).resize((120, 90))
    colour, grey, clear = coarse, coarse.convert("L"), coarse.convert("RGBA")
    clear.putalpha(grey)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    real = Image.fromarray(np.asarray(grey).astype(np.float32) / 255)
    exif = Image.Exif()
    exif[0x0112] = 6
    saved: list[tuple[Image.Image, str, dict[str, object]]] = [
        (colour, "JPEG", {}), (colour, "JPEG", {"progressive": True}), (grey, "JPEG", {"exif": exif}),
        (colour.convert("CMYK"), "JPEG", {}), (colour, "JPEG", {"icc_profile": bytes(3000)}),
        (colour, "MPO", {"save_all": True, "append_images": [colour]}),
        (colour, "PNG", {}), (grey, "PNG", {}), (clear, "PNG", {"exif": exif}), (deep, "PNG", {}),
        (colour.quantize(16), "PNG", {"bits": 4, "transparency": 3}), (grey.convert("1"), "PNG", {}),
        (colour, "PNG", {"save_all": True, "append_images": [colour]}), (colour, "PNG", {"icc_profile": bytes(3000)}),
        (colour.quantize(64), "GIF", {}), (colour.quantize(64), "GIF", {"save_all": True, "append_images": [grey]}),
        (colour, "BMP", {}), (grey, "BMP", {}), (colour.quantize(200), "BMP", {}), (grey.convert("1"), "BMP", {}),
        (colour, "TIFF", {}), (colour, "TIFF", {"compression": "tiff_lzw"}), (grey, "TIFF", {}), (deep, "TIFF", {}),
        (colour, "TIFF", {"compression": "tiff_adobe_deflate"}), (colour, "TIFF", {"compression": "jpeg"}),
        (grey.convert("1"), "TIFF", {"compression": "group4"}), (real, "TIFF", {}), (clear, "TIFF", {}),
        (colour, "TIFF", {"compression": "packbits"}), (colour, "TIFF", {"save_all": True, "append_images": [grey]}),
        (colour, "WEBP", {}), (clear, "WEBP", {"lossless": True, "exif": exif}),
        (colour, "WEBP", {"save_all": True, "append_images": [grey]}), (colour, "AVIF", {}), (clear, "AVIF", {}),
        (colour, "JPEG2000", {}), (colour, "JPEG2000", {"no_jp2": True}), (colour, "PPM", {}), (grey, "PPM", {}),
        (grey.convert("1"), "PPM", {}), (clear.resize((64, 64)), "ICO", {}),
        (clear.resize((48, 48)), "ICO", {"bitmap_format": "bmp"}),
    ]  # fmt: skip
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        pass
    else:
        register_heif_opener()
        saved.append((colour, "HEIF", {}))
    files = []
    for image, format, options in saved:
        stream = io.BytesIO()
        image.save(stream, format, **options)
        files.append(stream.getvalue())
    return files


def mutated(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """One to three mutations of a file."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        if len(out) < 8:
            break
        at, length = rng.randrange(len(out)), rng.choice((1, 2, 4, 16, 64, 1024))
        head = rng.randrange(min(len(out), 200))
        match rng.randrange(9):
            case 0:
                for _ in range(rng.choice((1, 2, 8, 64))):
                    out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
            case 1:
                out[head] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
            case 2:
                out = out[:at]
            case 3:
                del out[at : at + length]
            case 4:
                out[at:at] = out[at : at + length] * rng.choice((1, 2, 50))
            case 5:
                begin = rng.randrange(len(other))
                out[at : at + length] = other[begin : begin + length]
            case 6:
                out = out[:at] + bytearray(other[rng.randrange(len(other)) :])
            case 7:
                number = rng.choice((0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 60_000, 20_000, 12_000, 0))
                form = rng.choice((">I", "<I", ">H", "<H"))
                struct.pack_into(form, out, min(head, len(out) - 4), number & (0xFFFF if form[1] == "H" else -1))
            case _:
                out = bytearray(enlarged(bytes(out), rng))
    if out[:8] == b"\x89PNG\r\n\x1a\n" and rng.random() < 0.7:
        out = bytearray(checked(bytes(out)))
    return bytes(out)


def enlarged(data: bytes, rng: random.Random) -> bytes:
    """The file with its width, height or both, wherever they are written, replaced by large numbers."""
    for side in rng.sample((120, 90), rng.randint(1, 2)):
        large = rng.choice((1_000, 9_000, 13_000, 40_000, 65_535))
        for form in (">I", "<I", ">H", "<H"):
            data = data.replace(struct.pack(form, side), struct.pack(form, large), 1)
    return data


def checked(data: bytes) -> bytes:
    """A PNG with the checksums of its chunks made right, so that decoders read on."""
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        (length,) = struct.unpack_from(">I", out, at)
        end = at + 8 + length
        if end + 4 > len(out):
            break
        struct.pack_into(">I", out, end, zlib.crc32(bytes(out[at + 4 : end])))
        at = end + 4
    return bytes(out)


def decoded(paths: list[Path]) -> tuple[Counter[str], list[tuple[Path, str]], float]:
    """Outcomes, failures and peak gigabytes of a process that decodes files; it is started again after a crash."""
    outcomes: Counter[str] = Counter()
    failures: list[tuple[Path, str]] = []
    peak = 0.0
    left = list(paths)
    while left:
        names = "\n".join(map(str, left))
        done = subprocess.run([sys.executable, "-c", DECODE], input=names, capture_output=True, text=True)
        lines = done.stdout.splitlines()
        ends = [line.split(" ", 2) for line in lines if line.startswith("end ")]
        for path, (_, seconds, outcome) in zip(left, ends, strict=False):
            outcomes[outcome.partition(":")[0]] += 1
            if float(seconds) > HANG_S:
                failures.append((path, f"hang: {seconds} s"))
        if done.stderr:
            failures.append((left[min(len(ends), len(left) - 1)], f"stderr: {done.stderr[-500:]}"))
        peak = max(peak, *(float(line.split()[1]) for line in lines if line.startswith("memory ")), 0.0)
        if len(ends) < len(left):
            failures.append((left[len(ends)], f"crash: exit code {done.returncode}"))
        left = left[len(ends) + 1 :]
    return outcomes, failures, peak * (1 if sys.platform == "darwin" else 1024) / 1e9


def command(words: list[str], scratch: Path) -> tuple[int, str, str, float, float]:
    """Exit code, output, errors, seconds and peak gigabytes of a command of headstart."""
    script = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[2:]).returncode\n"
        "open(sys.argv[1], 'w').write(f'{code} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}')\n"
    )
    environment = {**os.environ, "HEADSTART_CACHE": str(scratch / "cache")}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script, str(scratch / "usage"), sys.executable, "-m", "headstart", *words],
        env=environment,
        capture_output=True,
        text=True,
    )
    code, memory = (scratch / "usage").read_text().split()
    gigabytes = int(memory) * (1 if sys.platform == "darwin" else 1024) / 1e9
    return int(code), done.stdout, done.stderr, time.monotonic() - began, gigabytes


def through_commands(folder: Path, scratch: Path, run: Path | None) -> list[str]:
    """What is wrong with ``check``, and ``predict``, of a folder of mutated pictures; prints a line for each."""
    count = sum(path.is_file() for path in folder.rglob("*"))
    commands = {"check": ["check", str(folder), "-o", str(scratch / "check"), "--size", "224", "--json"]}
    if run is not None:
        commands["predict"] = ["predict", str(run), str(folder), "--json"]
    wrong = []
    for name, words in commands.items():
        code, out, err, seconds, gigabytes = command(words, scratch)
        if code not in (0, 1) or "Traceback" in err:
            wrong.append(f"{name}: exit code {code}: {err[-2000:]}")
            continue
        document = json.loads(out)
        if name == "check":
            dropped = sum(len(group) - 1 for group in document["copies"])
            read, refused = document["pictures"], len(document["left_out"])
        else:
            dropped = 0
            refused = sum(row["label"] is None for row in document["predictions"])
            read = len(document["predictions"]) - refused
        if not read + refused <= count <= read + refused + dropped:
            wrong.append(f"{name}: {count} files, {read} read, {refused} left out, at most {dropped} copies")
        if gigabytes > 1.5:
            wrong.append(f"{name}: {gigabytes:.2f} GB")
        print(f"    {name}: {read} read, {refused} left out, {seconds:.0f} s, {gigabytes:.2f} GB", flush=True)
        if err.strip():
            print("\n".join(f"      said: {line}" for line in err.strip().splitlines()[-4:]), flush=True)
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only-decode", action="store_true", help="leave out check and predict")
    options = parser.parse_args()
    files, rng = seeds(), random.Random(options.seed)
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    most = 0.0
    for first in range(0, options.count, options.batch):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "pictures"
            paths = []
            for number in range(first, min(first + options.batch, options.count)):
                path = folder / f"class {number % 2}" / f"{number:06d}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(mutated(rng.choice(files), rng.choice(files), rng))
                paths.append(path)
            some, failures, gigabytes = decoded(paths)
            outcomes += some
            most = max(most, gigabytes)
            for path, failure in failures:
                wrong.append(f"{path.name}: {failure}")
                print(f"  {wrong[-1]}", flush=True)
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    (options.keep / path.name).write_bytes(path.read_bytes())
            print(f"{first + len(paths)} decoded, {len(failures)} failures, {gigabytes:.2f} GB", flush=True)
            if not options.only_decode:
                sound(folder)
                wrong += through_commands(folder, Path(scratch), options.run)
    print(f"{sum(outcomes.values())} files, {len(wrong)} failures, {most:.2f} GB to decode them")
    for outcome, count in outcomes.most_common():
        print(f"  {count:>6} {outcome}")
    if wrong:
        sys.exit("\n".join(wrong))


def sound(folder: Path) -> None:
    """Put pictures of two kinds beside the mutated ones, so that there is something to tell apart."""
    for label in (0, 1):
        for number in range(SOUND):
            rng = np.random.default_rng([label, number])
            pixels = rng.integers(0, 90, (100, 100, 3)).astype(np.uint8)
            pixels[20:70, 20:70, label] += 120
            Image.fromarray(pixels).save(folder / f"class {label}" / f"sound {number}.png")


if __name__ == "__main__":
    main()
