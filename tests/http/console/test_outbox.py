"""The outbox of the embedded profile: what would have been mailed; in production it is not there."""

from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.test import Client

from console import outbox

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    settings.EMAIL_BACKEND = "console.outbox.OutboxBackend"
    return tmp_path / "outbox"


def send(subject: str = "1234-5678 is your code", body: str = "Open https://example.com/?a=1&b=2 now.") -> str:
    EmailMessage(subject, body, to=["eve@example.com"]).send()
    return outbox.newest(1)[0].id


def test_an_empty_outbox_says_how_it_fills(client: Client) -> None:
    assert "No mail yet" in client.get("/outbox/").content.decode()


def test_mails_are_listed_newest_first_and_open(client: Client) -> None:
    send("the first")
    newest = send("the second")
    page = client.get("/outbox/").content.decode()
    assert page.index("the second") < page.index("the first")
    mail = client.get(f"/outbox/{newest}/").content.decode()
    assert 'href="https://example.com/?a=1&amp;b=2"' in mail
    assert "eve@example.com" in mail


def test_markup_in_a_mail_is_shown_as_text(client: Client) -> None:
    name = send("<b>hi</b>", "<script>alert(1)</script> javascript:alert(1)")
    for path in ("/outbox/", f"/outbox/{name}/"):
        page = client.get(path).content.decode()
        assert "<b>hi</b>" not in page
        assert "<script>alert" not in page
        assert 'href="javascript' not in page


@pytest.mark.parametrize("name", ["nothing", "..", "-", "0" * 61, "a-b_c"])
def test_other_files_are_not_reachable(client: Client, folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    (folder.parent / "secret.json").write_text("{}")
    assert client.get(f"/outbox/{name}/").status_code == 404


def test_a_half_written_file_is_left_out(client: Client, folder: Path) -> None:
    name = send()
    (folder / f"{name[:-1]}f.json").write_text('{"id": ')
    assert client.get("/outbox/").status_code == 200


def test_only_the_owner_of_the_files_reads_them(folder: Path) -> None:
    name = send()
    assert (folder / f"{name}.json").stat().st_mode & 0o077 == 0


def test_in_production_there_is_no_outbox(client: Client, settings: Any) -> None:
    name = send()
    settings.PRODUCTION = True
    assert client.get("/outbox/").status_code == 404
    assert client.get(f"/outbox/{name}/").status_code == 404


@pytest.mark.parametrize(
    ("address", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.168.1.20", 404), ("10.0.0.127", 404)]
)
def test_only_a_browser_on_this_machine_reads_it(client: Client, address: str, status: int) -> None:
    name = send()
    for path in ("/outbox/", f"/outbox/{name}/"):
        assert client.get(path, REMOTE_ADDR=address).status_code == status
