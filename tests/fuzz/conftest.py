"""scripts/fuzz and scripts/pressure are programs beside the product: their packages are found in scripts/."""

import sys

from tests.claude import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
