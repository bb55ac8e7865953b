"""Everything a new or updated copy needs before it serves, in one process: six starts of Python cost six seconds."""

import hashlib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand

from console import static, translations
from gateway import demo
from gateway.models import Channel, Endpoint, Model


class Command(BaseCommand):
    help = "Migrate, collect static files, load the catalogue, point the demo channels at this server."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--demo", action="store_true", help="also make the demo account (seed_demo)")

    def handle(self, *_: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        translations.compile_all(settings.LOCALE_PATHS[0])
        _collect_static()
        call_command("load_catalogue", stdout=self.stderr)
        if settings.DEMO_PROVIDER:
            self._point_demo_channels()
        if options["demo"]:
            call_command("seed_demo", stdout=self.stdout)

    def _point_demo_channels(self) -> None:
        """Again at every change of PORT: the demo provider lives in the same server."""
        here = f"{settings.OWN_ORIGIN}/demo-provider"
        models = list(Model.objects.all())
        for protocol, base_url in ((Channel.Protocol.OPENAI, f"{here}/v1"), (Channel.Protocol.ANTHROPIC, here)):
            only_messages = protocol == Channel.Protocol.ANTHROPIC
            names = [
                model.name
                for model in models
                if any((endpoint == Endpoint.MESSAGES) == only_messages for endpoint in model.endpoints)
            ]
            call_command(
                "add_channel",
                f"demo-{protocol}",
                protocol=str(protocol),
                base_url=base_url,
                api_key=demo.key(),
                models=",".join(names),
                stdout=self.stderr,
            )


def _collect_static() -> None:
    """Only when a source file is new, gone or different: hashing them all is the longest part of a second start."""
    digest = hashlib.sha256(f"{settings.VERSION} {static.SHEETS}".encode())
    for finder in get_finders():
        for name, storage in finder.list(ignore_patterns=[]):
            facts = Path(storage.path(name)).stat()
            digest.update(f"{name}:{facts.st_size}:{facts.st_mtime_ns}\n".encode())
    stamp = settings.STATIC_ROOT / "collected.sha256"
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(digest.hexdigest())
