"""HTTP/1.1 on the wire: what a connection reads, checks, hands over and writes, under a gunicorn worker."""
