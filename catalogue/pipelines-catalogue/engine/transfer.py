"""Passes files to the next job, encrypted: anybody who can read a run can download its artifacts.

    transfer.py pack FILE FOLDER            a folder's content into an encrypted file
    transfer.py unpack FILE FOLDER          the other way round
    transfer.py take FILE FOLDER NAME...    only these plain files, from the archive of an untrusted
                                            job

The key is in PIPELINES_TRANSFER_KEY. Standard library, and openssl.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common import EngineError, run

KEY = "PIPELINES_TRANSFER_KEY"
SAME_KEY = f"is {KEY} the same in both environments?"
LIMIT = 50_000_000
"""The largest file that `take` accepts, in bytes."""


def _openssl(*options: str) -> None:
    if len(os.environ.get(KEY, "")) < 32:
        raise EngineError(
            f"{KEY}: is not set, or has less than 32 letters; set it as docs/catalogue.md says"
        )
    cipher = ("openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-pass", f"env:{KEY}")
    if subprocess.run([*cipher, *options], stderr=subprocess.DEVNULL).returncode:
        raise EngineError(f"{options[-1]}: openssl failed; {SAME_KEY}")


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Removes the owner: git refuses a repository that belongs to another user."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def pack(file: Path, folder: Path) -> None:
    plain = file.with_suffix(".tar.gz")
    with tarfile.open(plain, "w:gz", compresslevel=1) as archive:
        archive.add(folder, arcname=".", filter=_without_owner)
    _openssl("-e", "-salt", "-in", str(plain), "-out", str(file))
    plain.unlink()


@contextmanager
def opened(file: Path) -> Iterator[tarfile.TarFile]:
    plain = file.with_suffix(".tar.gz")
    _openssl("-d", "-in", str(file), "-out", str(plain))
    try:
        with tarfile.open(plain, "r:gz") as archive:
            yield archive
    except (tarfile.TarError, OSError, EOFError) as error:
        # openssl accepts one wrong key in 256, and then writes something that is no archive.
        raise EngineError(f"{file.name}: cannot be read: {error}; {SAME_KEY}") from None
    finally:
        plain.unlink()


def unpack(file: Path, folder: Path) -> None:
    with opened(file) as archive:
        # Exactly as it was cloned: a link may lead anywhere, but nothing follows it.
        archive.extractall(folder, filter="fully_trusted")


def take(file: Path, folder: Path, names: list[str]) -> None:
    """Other files in the archive are never written."""
    folder.mkdir(parents=True, exist_ok=True)
    with opened(file) as archive:
        members = {member.name.removeprefix("./"): member for member in archive}
        for name in names:
            member = members.get(name)
            if member is None or not member.isfile() or member.size > LIMIT:
                raise EngineError(
                    f"{file.name}: holds no plain file {name} of at most {LIMIT} bytes"
                )
            content = archive.extractfile(member)
            assert content
            (folder / name).write_bytes(content.read())


def main() -> None:
    match sys.argv[1:]:
        case ["pack", file, folder]:
            pack(Path(file), Path(folder))
        case ["unpack", file, folder]:
            unpack(Path(file), Path(folder))
        case ["take", file, folder, *names]:
            take(Path(file), Path(folder), names)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    run(main)
