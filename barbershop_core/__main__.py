"""The command line: ``barbershop`` where the package is installed, else ``python -m barbershop_core``.

The commands are in :mod:`barbershop_core.commands`; this file puts their parsers together and turns what a
command raises into a sentence and an exit code.
"""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
from pathlib import Path

from .commands import batch, evaluate, hair, packs, portrait, rehearse, rig, words
from .commands.arguments import Parser
from .commands.console import quiet_console
from .errors import BadRequest, BarbershopError, PhotoError, explained
from .process import spin_briefly

EXAMPLES = """examples:
  %(prog)s hair me.jpg --shape friend.jpg -o me-new.png
  %(prog)s hair me.jpg --color red.jpg --region nose=other.jpg
  %(prog)s hair me.jpg --shape friend.jpg --recipe me-new.png
  %(prog)s face me.jpg group.jpg --into-index 1
  %(prog)s text me.jpg "blond hair" --neutral hair
  %(prog)s pose me.jpg --yaw 20 --expression smile
  %(prog)s repeat me-new.png me.jpg friend.jpg
  %(prog)s batch jobs.csv -o results --workers 2
  %(prog)s invert me.jpg --space FS
  %(prog)s doctor --json"""


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    installed = Path(sys.argv[0]).stem == "barbershop"
    top = Parser(
        prog="barbershop" if installed else "python -m barbershop_core",
        description="Edit portraits: hair and faces of other photos, words, pose, expression and light.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    for group in (hair, words, rig, portrait, packs, batch, evaluate, rehearse):
        group.add(commands)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 (failed), 2 (bad request or photo), 130 (stopped)."""
    spin_briefly()
    options = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = quiet_console(options.debug)
    try:
        return options.run(options, console) or 0
    except KeyboardInterrupt:
        console.say("Stopped.")
        return 130
    except BrokenPipeError:
        return 1
    except BarbershopError as error:
        if options.debug:
            console.say(traceback.format_exc())
        console.say(str(error))
        return 2 if isinstance(error, (BadRequest, PhotoError)) else 1
    except Exception as error:
        if options.debug:
            console.say(traceback.format_exc())
        if known := explained(error):
            console.say(str(known))
            return 1
        what = f"Something went wrong inside the program ({type(error).__name__})"
        console.say(f"{what}; run it again with --debug to see where.")
        return 1


if __name__ == "__main__":
    sys.exit(main())
