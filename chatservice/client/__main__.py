"""The command ``chat-client``, also run as ``python -m chatservice.client``."""

from __future__ import annotations

import sys

from chatservice.client.tap import Options, make_client


def main() -> None:
    """Run the client, and exit with its status.

    :raises SystemExit: always.
    """
    options = Options()
    options.parseOptions(sys.argv[1:])
    client = make_client(options)
    client.reactor.addSystemEventTrigger("before", "shutdown", client.stopService)
    client.startService()
    client.reactor.run()
    # Only a signal stops the reactor before there is a status.
    sys.exit(1 if client.status is None else client.status)


if __name__ == "__main__":
    main()
