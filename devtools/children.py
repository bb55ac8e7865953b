"""The four processes of the embedded profile, written down once: for `./dev run`, for the tests and for the bench."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
QUEUES = "default,images"
APPLICATION = "console.asgi:application"


def server(python: Path, *, host: str, port: int, grace_s: int = 30, application: str = APPLICATION) -> list[str]:
    """uvicorn: at its end it lets open streams finish, for at most `grace_s` seconds."""
    return [
        *(str(python), "-m", "uvicorn", application),
        *("--host", host, "--port", str(port), "--loop", "uvloop", "--http", "httptools"),
        *("--timeout-graceful-shutdown", str(grace_s), "--no-access-log", "--no-server-header"),
        *("--log-level", "warning"),
    ]


def worker(python: Path, *, loglevel: str = "WARNING") -> list[str]:
    """Two processes that take image jobs and the schedule's tasks."""
    return [
        *(str(python), "-W", "ignore:::celery.platforms", "-m", "celery", "--quiet", "-A", "console.celery", "worker"),
        *("--pool", "prefork", "--concurrency", "2", "--queues", QUEUES),
        *("--loglevel", loglevel, "--without-gossip", "--without-mingle"),
    ]


def beat(python: Path, *, schedule: Path) -> list[str]:
    return [
        *(str(python), "-m", "celery", "--quiet", "-A", "console.celery", "beat"),
        *("--schedule", str(schedule), "--pidfile", "", "--loglevel", "WARNING"),
    ]
