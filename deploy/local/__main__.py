"""What `attain` runs first; `python -m deploy.local` is the same, for a checkout that is not installed."""

import sys


def run() -> None:
    """Run `attain`; Ctrl-C ends it in one line from here on, also while the half second of its imports lasts."""
    try:
        from deploy.local.errors import INSTALL
        from deploy.local.importing import imported

        main = imported("deploy.local.cli").main
    except KeyboardInterrupt:
        sys.stderr.write("attain: interrupted\n")
        sys.exit(130)
    except ModuleNotFoundError as error:
        sys.exit(f"attain: {error}: {INSTALL}")
    main()


if __name__ == "__main__":
    run()
