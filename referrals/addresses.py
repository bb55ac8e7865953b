"""Whether two e-mail addresses belong to one person, as far as the addresses alone can tell.

Only used to refuse a referral between them; sign-in never goes through here, so being broad costs nobody an account.
"""

import unicodedata

# Letters of other alphabets that look like a Latin one (a hand-made selection of those that occur in addresses).
_LOOK_ALIKES = str.maketrans(
    {
        **dict(zip("аеоіјрсухѕһԁԛԝкмтвнгь", "aeoijpcyxshdqwkmtbhrb", strict=True)),  # Cyrillic
        **dict(zip("αορινκτυχεηωγ", "aopivktuxenwy", strict=True)),  # Greek
        **dict(zip("ıłøđħ", "ilodh", strict=True)),  # Latin that does not decompose
    }
)
_GMAIL = {"gmail.com", "googlemail.com"}


def canonical(email: str) -> str:
    """The mailbox behind an address: case, plus tags, Gmail's dots and look-alike letters do not count."""
    local, _, domain = _plain(email).rpartition("@")
    local = local.partition("+")[0]
    domain = _plain(_decoded(domain))
    if domain in _GMAIL:
        return f"{local.replace('.', '')}@gmail.com"
    return f"{local}@{domain}"


def same_person(one: str, other: str) -> bool:
    return canonical(one) == canonical(other)


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).strip().casefold().translate(_LOOK_ALIKES)
    return "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c) and _visible(c))


def _visible(character: str) -> bool:
    return unicodedata.category(character) not in {"Cf", "Cc"}


def _decoded(domain: str) -> str:
    """`xn--` labels as the letters a person sees."""
    try:
        return domain.encode("ascii").decode("idna")
    except UnicodeError:
        return domain
