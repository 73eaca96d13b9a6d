"""Take the table of planted errors over from an audit, for the report: `python scripts/planted.py DIR/audit.json`.

The file is what `subtheory audit [--quick] --out DIR` wrote; nothing of the table is typed in by hand.
"""

import json
import sys
from pathlib import Path
from typing import Any

from subtheory.audit.suite import FEW
from subtheory.pages.report import PLANTED

ROW = "R9"


def taken(audit: dict[str, Any]) -> dict[str, Any]:
    """The row of planted errors, with the command and the version that it is from."""
    (check,) = (one for one in audit["checks"] if one["row"] == ROW)
    rows = [{name: row[name] for name in ("kind", "error", "seeds", "caught", "by")} for row in check["details"]]
    quick = " --quick" if rows[0]["seeds"] == FEW else ""
    told = audit["provenance"]
    said = {name: check[name] for name in ("what", "found", "target", "ok")}
    return said | {
        "command": f"subtheory audit{quick}",
        "version": told["subtheory"],
        "commit": told["commit"],
        "rows": rows,
    }


def main() -> None:
    """Write it where the report looks for it."""
    found = taken(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    PLANTED.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(found["found"])


if __name__ == "__main__":
    main()
