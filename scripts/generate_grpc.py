"""Writes the Python code of app/rpc/protocol/open_inference.proto; with --check, only says whether it is up to date."""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

FOLDER = Path(__file__).resolve().parent.parent / "app" / "rpc" / "protocol"
PROTO = "open_inference.proto"
WRITTEN = ("open_inference_pb2.py", "open_inference_pb2.pyi")


def generate(folder: Path) -> None:
    """Run the compiler of grpcio-tools, which brings its own protoc."""
    options = [f"-I{FOLDER}", f"--python_out={folder}", f"--pyi_out={folder}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, PROTO], check=True)


def main() -> int:
    """Exit status 1 when --check finds the code out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the code is out of date")
    if not parser.parse_args().check:
        generate(FOLDER)
        return 0
    with TemporaryDirectory() as folder:
        generate(Path(folder))
        stale = [name for name in WRITTEN if (Path(folder) / name).read_text() != (FOLDER / name).read_text()]
    if stale:
        print(f"{', '.join(stale)} out of date: run  python scripts/generate_grpc.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
