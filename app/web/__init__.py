"""The doors: webhooks, pages, sockets and the JSON API."""
