from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AppConfig):
    name = "console"

    def ready(self) -> None:
        # Registers the Celery app as the current one and the boot checks with Django.
        from console import celery, checks, logs  # noqa: F401, PLC0415 they need the app registry

        logs.configure()


class BackOfficeConfig(AdminConfig):
    """Django's admin under our rules: superusers, to look at."""

    default_site = "console.admin_site.Site"
    default = False
