"""Deployment settings. What a product person would change is a row in the database instead."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from console import env

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = re.search(r"^## (\S+)", (BASE_DIR / "CHANGELOG.md").read_text(), re.MULTILINE)[1]  # type: ignore[index]

# --- profile -------------------------------------------------------------------------------------------------------
# embedded: one command, SQLite, our own Valkey, demo provider. production: PostgreSQL, Redis, real providers.
PROFILE = env.text("PROFILE", "embedded")
if PROFILE not in {"embedded", "production"}:
    msg = f"PROFILE={PROFILE!r} is unknown. Set PROFILE=embedded or PROFILE=production."
    raise ImproperlyConfigured(msg)
PRODUCTION = PROFILE == "production"
DEBUG = False

HOST = env.text("HOST", "127.0.0.1")
PORT = env.integer("PORT", 8000)
PUBLIC_URL = env.text("PUBLIC_URL", f"http://{'127.0.0.1' if HOST == '0.0.0.0' else HOST}:{PORT}").rstrip("/")  # noqa: S104 compared, not bound
# Where a process of ours on this machine finds the server: loopback unless HOST is one address of several.
OWN_ORIGIN = f"http://{'127.0.0.1' if HOST in {'', '0.0.0.0', '::'} else HOST}:{PORT}"  # noqa: S104 compared, not bound
GATEWAY_URL = env.text("GATEWAY_URL", f"{PUBLIC_URL if PRODUCTION else OWN_ORIGIN}/v1").rstrip("/")
GATEWAY_KEY = env.secret("GATEWAY_KEY")  # only for a GATEWAY_URL that is not ours
DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / "var"))).resolve()
DEMO_PROVIDER = env.flag("DEMO_PROVIDER", default=not PRODUCTION)

# --- secrets: one per purpose, derived from SECRET_KEY with distinct labels where not given ------------------------
SECRET_KEY = env.secret("SECRET_KEY", "" if PRODUCTION else "embedded-profile-only-not-a-secret")
if not SECRET_KEY:
    msg = "SECRET_KEY is not set. Make one: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
    raise ImproperlyConfigured(msg)
KEY_PEPPER = env.secret("KEY_PEPPER", f"api-key-digest:{SECRET_KEY}")  # keyed digest of API keys, nothing else
METRICS_TOKEN = env.secret("METRICS_TOKEN")  # who may read /metrics; in production nobody may without it
FIELD_SECRET = env.secret("FIELD_SECRET", f"field-encryption:{SECRET_KEY}")  # provider keys, payee details

# --- web -----------------------------------------------------------------------------------------------------------
_public = urlsplit(PUBLIC_URL)
SECURE = _public.scheme == "https"
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS") or [_public.hostname or "localhost"]
if not PRODUCTION:
    ALLOWED_HOSTS += ["localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]
ROOT_URLCONF = "console.urls"
ASGI_APPLICATION = "console.asgi.application"
APPEND_SLASH = True
TRUSTED_PROXY_COUNT = env.integer("TRUSTED_PROXY_COUNT", 0)
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

SESSION_COOKIE_NAME = "__Host-session" if SECURE else "session"
SESSION_COOKIE_SECURE = SECURE
SESSION_COOKIE_AGE = 14 * 24 * 3600
CSRF_COOKIE_NAME = "__Host-csrf" if SECURE else "csrf"
CSRF_COOKIE_SECURE = SECURE
CSRF_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SECURE = SECURE
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_SSL_REDIRECT = SECURE
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "object-src": [NONE],
        "report-uri": ["/csp-report"],
    },
}

INSTALLED_APPS = [
    "console.apps.ConsoleConfig",
    "playground",
    "referrals",
    "gateway",
    "billing",
    "accounts",
    "allauth",
    "allauth.account",
    "rest_framework",
    "drf_spectacular",
    "csp",
    "console.apps.BackOfficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "console.middleware.private_pages",
    "referrals.middleware.remember_link",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "console.context.site",
            ],
            "builtins": ["console.templatetags.ui"],
        },
    },
]

# --- database ------------------------------------------------------------------------------------------------------
DATABASE_URL = env.text("DATABASE_URL", f"sqlite:///{DATA_DIR}/console.sqlite3")
DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=0)}
SQLITE = DATABASES["default"]["ENGINE"].endswith("sqlite3")
if SQLITE:
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",  # the writer lock is taken at BEGIN: no upgrade deadlock
        "timeout": 20,  # seconds a writer waits for its turn
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }
else:
    DATABASES["default"]["OPTIONS"] = {
        "options": "-c statement_timeout=30000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000 "
        "-c jit=off",  # compiling a statement of many small parts took twenty times as long as running it
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- redis: broker, cache, event streams. The database is the truth; all of this can be lost. -----------------------
# redis://host:port/0 or unix:///path?db=0
REDIS_URL = env.text("REDIS_URL", "redis://127.0.0.1:6379/0")
CACHES = {
    "default": {
        "BACKEND": "console.cache.SturdyRedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "qyuan",
        "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},
    },
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"

# --- people --------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_RESET_TIMEOUT = 3600
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "console:dashboard"
ACCOUNT_ADAPTER = "console.signup.SignupAdapter"
ACCOUNT_FORMS = {"confirm_email_verification_code": "accounts.forms.ConfirmCodeForm"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "console.signup.ReferralCodeForm"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
# A code typed where one signed up, not a link: a link opened by the owner of an address would confirm an account whose
# password somebody else chose. It also keeps a phone's mail and a laptop's browser in one flow.
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_FORMAT = {"numeric": True, "length": 8, "dashed": True}
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = 3
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = _public.scheme
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
ACCOUNT_SESSION_REMEMBER = True
# On top of allauth's own: nobody fills the mailbox of somebody else, neither in a minute nor in a day.
ACCOUNT_RATE_LIMITS = {
    "reset_password": "20/m/ip,5/m/key,20/d/key",
    "confirm_email": "1/10s/key,20/h/key,50/d/key",
}

# --- mail: the embedded profile prints it and keeps it in an outbox page ---------------------------------------------
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend" if PRODUCTION else "console.outbox.OutboxBackend"
EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.integer("EMAIL_PORT", 465)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.secret("EMAIL_HOST_PASSWORD")
EMAIL_USE_SSL = True
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "QYUAN AI Console <no-reply@localhost>")

# --- language and time ---------------------------------------------------------------------------------------------
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_SAMESITE = "Lax"
LOCALE_PATHS = [BASE_DIR / "locale"]

# --- files ---------------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static"
WHITENOISE_USE_FINDERS = not PRODUCTION
MEDIA_ROOT = DATA_DIR / "media"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "console.static.HashedModulesStorage"},
}

# --- jobs ----------------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = (
    re.sub(r"^unix://([^?]+)\?db=(\d+)$", r"redis+socket://\1?virtual_host=\2", REDIS_URL)
    if REDIS_URL.startswith("unix://")
    else REDIS_URL
)

# --- money: in the console currency --------------------------------------------------------------------------------
# What one operator may grant to one person within a day; above it a second operator approves.
GRANT_SECOND_PERSON_ABOVE = env.text("GRANT_SECOND_PERSON_ABOVE", "100.00")

SWEEP_INTERVAL_S = env.seconds("SWEEP_INTERVAL_S", 15)  # how often beat looks for overdue holds and lost jobs
IMAGE_LEASE_S = env.seconds("IMAGE_LEASE_S", 120)  # a silent worker loses its image job after this
RUN_LEASE_S = env.seconds("RUN_LEASE_S", 90)  # a silent server loses the answers that it was writing after this

# --- the console's JSON API: closed by default -----------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "console.api.auth.KeyAuthentication",
        "console.api.auth.StrictSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["console.api.auth.DenyAll"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["console.api.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "console.api.schema.Described",
    "EXCEPTION_HANDLER": "console.api.errors.handle",
    "NUM_PROXIES": TRUSTED_PROXY_COUNT,
    "UNAUTHENTICATED_USER": None,
    "STRICT_JSON": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "QYUAN AI Console",
    "DESCRIPTION": "Your account as JSON: keys, usage, balance, limits, payments, statements, referrals, withdrawals.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "PREPROCESSING_HOOKS": ["console.api.schema.only_canonical"],
    "ENUM_NAME_OVERRIDES": {
        "PaymentState": "billing.models.Payment.State",
        "RefundState": "billing.models.PaymentRefund.State",
        "WithdrawalState": "referrals.models.Withdrawal.State",
    },
}

# --- the person behind withdrawals, shown with a QR code to scan -----------------------------------------------------
WECOM_CONTACT_NAME = env.text("WECOM_CONTACT_NAME", "WeCom support Hanson")
WECOM_CONTACT_URL = env.text("WECOM_CONTACT_URL", f"{PUBLIC_URL}/referrals/contact/")  # what the QR code opens
WECOM_QR_IMAGE = env.text("WECOM_QR_IMAGE")  # path of a PNG or JPEG; instead of a code made from the URL

# --- payments through Stripe: off unless both secrets are set --------------------------------------------------------
STRIPE_SECRET_KEY = env.secret("STRIPE_SECRET_KEY")
STRIPE_WEBHOOK_SECRET = env.secret("STRIPE_WEBHOOK_SECRET")
if bool(STRIPE_SECRET_KEY) != bool(STRIPE_WEBHOOK_SECRET):
    msg = "Only one of STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET is set. Set both, or neither: payments are off then."
    raise ImproperlyConfigured(msg)
STRIPE_METHODS = env.words("STRIPE_METHODS", "card,alipay,wechat_pay")
STRIPE_PAGE_HOSTS = env.words("STRIPE_PAGE_HOSTS", "checkout.stripe.com,hooks.stripe.com")  # browsers go there
STRIPE_API_BASE = env.text("STRIPE_API_BASE")  # instead of Stripe's own: a stand-in for tests
TOPUP_MIN = env.integer("TOPUP_MIN", 5)  # whole units of the currency
TOPUP_MAX = env.integer("TOPUP_MAX", 1000)
TOPUP_PRESETS = env.words("TOPUP_PRESETS", "10,25,50,100")
SELLER_NAME = env.text("SELLER_NAME", "QYUAN AI")  # on receipts
SELLER_ADDRESS = env.text("SELLER_ADDRESS")  # lines between |
SELLER_TAX_ID = env.text("SELLER_TAX_ID")

# --- gateway limits --------------------------------------------------------------------------------------------------
GATEWAY_MAX_BODY_BYTES = env.integer("GATEWAY_MAX_BODY_BYTES", 32 * 1024 * 1024)
GATEWAY_BODY_TIMEOUT_S = env.seconds("GATEWAY_BODY_TIMEOUT_S", 60)
GATEWAY_CONNECT_TIMEOUT_S = env.seconds("GATEWAY_CONNECT_TIMEOUT_S", 5)
GATEWAY_FIRST_BYTE_TIMEOUT_S = env.seconds("GATEWAY_FIRST_BYTE_TIMEOUT_S", 300)
GATEWAY_IDLE_TIMEOUT_S = env.seconds("GATEWAY_IDLE_TIMEOUT_S", 120)
GATEWAY_KEEP_ALIVE_S = env.seconds("GATEWAY_KEEP_ALIVE_S", 15)  # a comment to the caller after this much silence
GATEWAY_TOTAL_TIMEOUT_S = env.seconds("GATEWAY_TOTAL_TIMEOUT_S", 1800)
# A hold ends by itself this long after its server died; while the server lives, it renews (gateway/heartbeat.py).
HOLD_LEASE_S = env.seconds("HOLD_LEASE_S", 120)
