"""django-oauth-toolkit as an identity provider, with a service that takes its access tokens.

    python provider.py PORT SITE FOLDER
"""

import os
import sys
from pathlib import Path

import django
from django.conf import settings
from jwcrypto import jwk

port, site, folder = sys.argv[1:]
address = f"http://127.0.0.1:{port}"
settings.configure(
    SECRET_KEY=os.urandom(32).hex(),
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    LOGIN_URL="/login",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(folder, "django.db"))}
    },
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True,
        "OIDC_ISS_ENDPOINT": f"{address}/o",
        "OIDC_RSA_PRIVATE_KEY": jwk.JWK.generate(kty="RSA", size=2048)
        .export_to_pem(private_key=True, password=None)
        .decode(),
        "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
        "PKCE_REQUIRED": True,
        "ROTATE_REFRESH_TOKEN": True,
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "SCOPES": {name: name for name in ["openid", "profile", "email", "offline_access"]},
    },
)
django.setup()

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.core.management import call_command, execute_from_command_line
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import include, path
from oauth2_provider.decorators import protected_resource
from oauth2_provider.models import AccessToken, Application, RefreshToken

FORM = "<!doctype html><title>Sign in</title><form method=post><input name=user><button>Sign in</button></form>"


def sign_in(request):
    """Signs in whoever is named."""
    if request.method == "GET":
        return HttpResponse(FORM)
    user, _ = User.objects.get_or_create(username=request.POST["user"])
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect(request.GET["next"])


@protected_resource()
def protected(request):
    return JsonResponse({"user": request.resource_owner.username})


def me(request):
    """Answers a refused token with 401 (RFC 6750, section 3.1), where the toolkit says 403."""
    answer = protected(request)
    if answer.status_code == 403:
        return HttpResponse(status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return answer


def forget(request):
    """Forgets all access tokens, as if they had expired."""
    AccessToken.objects.update(expires="2000-01-01T00:00:00Z")
    return HttpResponse()


def tokens(request):
    live = RefreshToken.objects.filter(revoked__isnull=True).count()
    return JsonResponse({"live": live, "all": RefreshToken.objects.count()})


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("login", sign_in),
    path("me", me),
    path("test/forget", forget),
    path("test/tokens", tokens),
]

call_command("migrate", verbosity=0)
Application.objects.create(
    client_id="quickstart",
    client_secret="quickstart-secret",
    hash_client_secret=False,
    client_type=Application.CLIENT_CONFIDENTIAL,
    authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
    redirect_uris=f"{site}/callback",
    post_logout_redirect_uris=f"{site}/",
    skip_authorization=True,
    algorithm=Application.RS256_ALGORITHM,
)
execute_from_command_line(["provider", "runserver", "--noreload", f"127.0.0.1:{port}"])
