"""The chart library of the report: `python -m tests.vendor` fetches the version that its record names again.

`desk/reports/html/vendor/chart.json` comes in; the library and its licence go out, if the package has the
integrity hash of the record.  `npm` is asked for the package, as it is set up.  For another version: change
version and integrity in the record, run this, and read the diff.
"""

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "desk" / "reports" / "html" / "vendor"
RECORD = VENDOR / "chart.json"


def integrity(body: bytes, algorithm: str) -> str:
    """The hash of a file as browsers and registries write it."""
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, body).digest()).decode()}"


def main() -> int:
    """Fetch, check, and write."""
    record = json.loads(RECORD.read_text())
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{record['name']}@{record['version']}"]
        packed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        package = Path(folder) / packed.stdout.split()[-1]
        if (found := integrity(package.read_bytes(), "sha512")) != record["package_integrity"]:
            sys.stderr.write(f"{package.name} has {found}, the record says {record['package_integrity']}\n")
            return 1
        with tarfile.open(package) as archive:
            for name, of in record["files"].items():
                member = archive.extractfile(of["from"])
                if member is None:
                    sys.stderr.write(f"{package.name} has no {of['from']}\n")
                    return 1
                body = member.read()
                (VENDOR / name).write_bytes(body)
                of["integrity"] = integrity(body, "sha384")
    RECORD.write_text(f"{json.dumps(record, indent=2)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
