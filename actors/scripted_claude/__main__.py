"""The stand-in's entry point, as a module of the coordinator or by the path of this folder."""

import sys
from pathlib import Path

if __package__:
    from .program import main
else:
    # By its path it is a package of its own: the coordinator's packages, and all that they import, stay out.
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    from scripted_claude.program import main  # type: ignore[import-not-found, no-redef]  # by the path above

if __name__ == "__main__":
    main()
