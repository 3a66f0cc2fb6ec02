"""`python -m discreet` is the same as `discreet`."""

from discreet.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
