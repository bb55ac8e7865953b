"""What every template may use."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from console.static import stylesheets


def site(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get("theme", "")
    return {
        "site_name": "QYUAN AI Console",
        "public_url": settings.PUBLIC_URL,
        "api_base_url": f"{settings.PUBLIC_URL}/v1",
        "version": settings.VERSION,
        "demo_provider": settings.DEMO_PROVIDER,
        "embedded": not settings.PRODUCTION,
        "theme": theme if theme in {"light", "dark"} else "",
        "stylesheets": stylesheets(),
    }
