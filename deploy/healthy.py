"""Whether the server in this container is ready: exit status 0 or 1.

It runs every few seconds on a fraction of a CPU, which is the server's own: so it imports next to nothing. It reads the
server's variables. A certificate is not checked, for it is hardly one for 127.0.0.1.
"""

import os
import socket
import sys


def main() -> int:
    """Ask the server once."""
    # What is no number is a service link (tcp://10.96.12.7:8000), which the server ignores as well.
    given = os.environ.get("CANOPY_PORT", "")
    port = int(given) if given.isdecimal() else 8000
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=4) as connection:
            if os.environ.get("CANOPY_TLS_CERTIFICATE"):
                import ssl

                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                connection = context.wrap_socket(connection)
            connection.sendall(b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            return int(b" 200 " not in connection.recv(64))
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
