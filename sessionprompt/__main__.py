"""``python -m sessionprompt`` is the command ``sessionprompt``."""

from .cli import main

raise SystemExit(main())
