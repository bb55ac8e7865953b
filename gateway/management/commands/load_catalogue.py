"""manage.py load_catalogue [FILE] [--json]: models and prices from a file, by default the one that ships."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from gateway import catalogue


class Command(BaseCommand):
    help = (
        "Load models and prices. Safe to run again: a price is set only where it differs from the one in force, and "
        "never over one that an operator set at /desk/prices/."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, default=catalogue.SHIPPED, metavar="FILE")
        parser.add_argument("--json", action="store_true", help="print what was done as JSON")

    def handle(self, **options: Any) -> None:
        try:
            loaded = catalogue.load(data=catalogue.read_file(options["file"]), now=timezone.now())
        except catalogue.BadCatalogue as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(asdict(loaded)))
        else:
            counts = f"{loaded.created} new, {loaded.changed} changed, {loaded.prices_set} prices set"
            kept = f", {loaded.prices_kept} kept as an operator set them" if loaded.prices_kept else ""
            self.stdout.write(f"{loaded.total} models: {counts}{kept}.")
