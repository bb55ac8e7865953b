"""The settings of the tests: the product's own, with a quick hasher, mail in memory and no collected static files."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

if "DATA_DIR" not in os.environ:
    os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="qyuan-test-")
    Path(os.environ["DATA_DIR"], "static").mkdir()  # WhiteNoise looks for it
    atexit.register(shutil.rmtree, os.environ["DATA_DIR"], ignore_errors=True)

from console.settings import *  # noqa: F403

# Nothing is there unless REDIS_URL says so: a test that needs Redis asks for `live_redis` or `stack`.
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:1/0")
CELERY_BROKER_URL = REDIS_URL
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# A file, not memory: only then do two connections, WAL and IMMEDIATE behave as in the product.
if SQLITE:  # noqa: F405
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / f"test-{os.getpid()}.sqlite3")}  # noqa: F405
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
ACCOUNT_RATE_LIMITS = False  # type: ignore[assignment] # allauth takes either
