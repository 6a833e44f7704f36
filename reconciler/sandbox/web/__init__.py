"""Google's front end: sockets, requests, schemas, routing, and the log of what was asked."""
