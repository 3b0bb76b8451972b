"""The Django project: settings, urls and entry points of the web server."""
