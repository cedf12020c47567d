"""The pages and their names."""

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, path, register_converter

from dashboard.keys import Key
from dashboard.views import events, secrets, sign_in

register_converter(Key, "key")

urlpatterns: list[URLPattern | URLResolver] = [
    path("", secrets.home, name="home"),
    path("secrets/", secrets.secret_list, name="secret-list"),
    path("secrets/<key:secret_id>/", secrets.secret_detail, name="secret-detail"),
    path("events/<key:event_id>/", events.event_detail, name="event-detail"),
    path("sign-in/", sign_in.SignIn.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("enter/", sign_in.enter, name="enter"),
]
