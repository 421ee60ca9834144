"""scripts/chaos is a program beside the product: its package is found in scripts/."""

import sys

from tests.claude import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
