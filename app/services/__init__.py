"""What runs beside the web: polling, calls to order systems, feed health, and orders whose own clock moves them."""
