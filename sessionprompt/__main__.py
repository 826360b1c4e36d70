"""``python -m sessionprompt`` is the command ``sessionprompt``."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
