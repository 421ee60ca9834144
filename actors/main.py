"""The door of the command line: ``python -m actors.main``."""

import signal


def main() -> None:
    """Run the command line. While the rest is being loaded, and in whoever only looks, Ctrl-C needs no traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from actors.cli.app import main as run_command_line  # noqa: PLC0415 - see above

    run_command_line()


if __name__ == "__main__":
    main()
