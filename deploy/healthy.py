"""Whether the server in this container is ready: exit status 0 or 1. Run every few seconds, so it starts fast.

Reads the server's own variables; a certificate is not checked, for it is hardly one for 127.0.0.1.
"""

import http.client
import os
import sys


def main() -> int:
    """Ask the server once."""
    port = int(os.environ.get("CANOPY_PORT") or 8000)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
    if os.environ.get("CANOPY_TLS_CERTIFICATE"):
        import ssl

        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=4, context=context)
    try:
        connection.request("GET", "/health/ready")
        return int(connection.getresponse().status != http.client.OK)
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
