"""Static files whose names carry their hash, also inside `import … from "./x.js"`; the design system in one of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage, staticfiles_storage

# In the order of their layers; one file per component.
SHEETS = (
    "css/tokens.css",
    "css/base.css",
    *(
        f"css/components/{name}.css"
        for name in ("button", "field", "surfaces", "meter", "table", "code", "overlay", "shell", "guide")
    ),
    "css/utilities.css",
)
# All of them, joined when files are collected: one request instead of eleven before the first paint.
JOINED = "css/site.css"


class HashedModulesStorage(ManifestStaticFilesStorage):
    # Off by default in Django 5.2; without it a browser keeps an old module behind a new page.
    support_js_module_import_aggregation = True
    manifest_strict = False

    def post_process(self, paths: dict[str, Any], **options: Any) -> Iterator[Any]:  # type: ignore[override] # narrower: collectstatic gives these
        if not options.get("dry_run"):
            texts = [Path(self.path(sheet)).read_text() for sheet in SHEETS]
            Path(self.path(JOINED)).write_text("\n".join(texts))
            paths[JOINED] = (self, JOINED)
        yield from super().post_process(paths, **options)


def stylesheets() -> list[str]:
    """What a page links to: one file where files were collected, else (in tests) each."""
    return [JOINED] if JOINED in getattr(staticfiles_storage, "hashed_files", {}) else list(SHEETS)
