"""What is kept here of others: `python -m tests.vendor` fetches the versions that the records name again.

``RECORDS`` come in: of the report's chart library, and of the library that the tests look for barriers with.
Each library and its licence go out beside its record, if the package has the integrity hash of the record.
`npm` is asked for the package, as it is set up.  For another version: change version and integrity in the
record, run this, and read the diff.
"""

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent
CHART = TESTS.parent / "desk" / "reports" / "html" / "vendor" / "chart.json"
AXE = TESTS / "vendored" / "axe.json"
RECORDS = (CHART, AXE)


def integrity(body: bytes, algorithm: str) -> str:
    """The hash of a file as browsers and registries write it."""
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, body).digest()).decode()}"


def fetch(at: Path) -> str:
    """Fetch what a record names, check it and write it; what is wrong, or nothing."""
    record = json.loads(at.read_text())
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{record['name']}@{record['version']}"]
        packed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        package = Path(folder) / packed.stdout.split()[-1]
        if (found := integrity(package.read_bytes(), "sha512")) != record["package_integrity"]:
            return f"{package.name} has {found}, the record says {record['package_integrity']}"
        with tarfile.open(package) as archive:
            for name, of in record["files"].items():
                member = archive.extractfile(of["from"])
                if member is None:
                    return f"{package.name} has no {of['from']}"
                body = member.read()
                at.with_name(name).write_bytes(body)
                of["integrity"] = integrity(body, "sha384")
    at.write_text(f"{json.dumps(record, indent=2)}\n")
    return ""


def main() -> int:
    """Fetch all of it."""
    problems = [problem for record in RECORDS if (problem := fetch(record))]
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return len(problems) and 1


if __name__ == "__main__":
    sys.exit(main())
