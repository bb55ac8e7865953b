"""manage.py add_channel NAME --protocol P --base-url URL --api-key K --models a,b,c: a provider account to use."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from gateway import channels
from gateway.models import Channel


class Command(BaseCommand):
    help = "Add a channel to a provider, or replace the one of this name. The key is encrypted and never shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--protocol", required=True, choices=Channel.Protocol.values)
        parser.add_argument("--base-url", required=True, help="openai: ends in /v1; anthropic: the host")
        parser.add_argument("--api-key", required=True)
        parser.add_argument(
            "--models", default="*", help="comma-separated; `ours=theirs` renames; * is all (the default)"
        )
        parser.add_argument("--priority", type=int, default=0, help="higher is tried first")
        parser.add_argument("--weight", type=int, default=1, help="share among channels of one priority")
        parser.add_argument("--json", action="store_true", help="print the channel as JSON")

    def handle(self, **options: Any) -> None:
        try:
            channel = channels.add_channel(
                name=options["name"],
                protocol=options["protocol"],
                base_url=options["base_url"],
                api_key=options["api_key"],
                models=options["models"].split(","),
                now=timezone.now(),
                priority=options["priority"],
                weight=options["weight"],
            )
        except channels.BadChannel as error:
            raise CommandError(str(error)) from error
        served = list(channel.routes.order_by("model__position").values_list("model__name", flat=True))
        if options["json"]:
            shown = {"name": channel.name, "protocol": channel.protocol, "base_url": channel.base_url, "models": served}
            self.stdout.write(json.dumps(shown))
        else:
            self.stdout.write(f"Channel {channel.name} serves {len(served)} models.")
