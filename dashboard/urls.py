"""The pages and their names."""

from django.urls import URLPattern, URLResolver, path, register_converter

from dashboard.keys import Key
from dashboard.views import (
    account,
    events,
    export,
    home,
    leases,
    live,
    people,
    principals,
    secrets,
    settings,
    sign_in,
    sources,
    tokens,
    trail,
)

register_converter(Key, "key")

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("ask/", home.ask, name="ask"),
    path("secrets/", secrets.secret_list, name="secret-list"),
    path("secrets/<key:secret_id>/", secrets.secret_detail, name="secret-detail"),
    path("principals/", principals.principal_list, name="principal-list"),
    path("principals/<key:principal_id>/", principals.principal_detail, name="principal-detail"),
    path("leases/", leases.lease_list, name="lease-list"),
    path("leases/<key:lease_id>/", leases.lease_detail, name="lease-detail"),
    path("secrets/<key:secret_id>/export/", export.secret_export, name="secret-export"),
    path("principals/<key:principal_id>/export/", export.principal_export, name="principal-export"),
    path("sources/", sources.source_list, name="source-list"),
    path("events/", events.event_list, name="event-list"),
    path("events/suggest/", events.event_suggest, name="event-suggest"),
    path("events/export/", export.event_export, name="event-export"),
    path("events/<key:event_id>/", events.event_detail, name="event-detail"),
    path("health/live", live.live, name="live"),
    path("sign-in/", sign_in.by_password, name="sign-in"),
    path("sign-in/", sign_in.by_password, name="account_login"),  # allauth's name for it
    path("sign-in/second/", sign_in.second, name="mfa_authenticate"),
    path("sign-in/oidc/", sign_in.oidc_begin, name="oidc-begin"),
    path("sign-in/oidc/back/", sign_in.oidc_back, name="oidc-back"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
    path("enter/", sign_in.enter, name="enter"),
    path("enter/password/", sign_in.choose_password, name="enter-password"),
    path("confirm/", sign_in.confirm, name="confirm"),
    path("account/", account.account, name="account"),
    path("account/password/", account.password, name="account-password"),
    path("account/second-factor/", account.factor, name="second-factor"),
    path("account/time-zone/", account.choose_time_zone, name="account-time-zone"),
    path("account/sessions/<key:session_id>/end/", account.end_session, name="session-end"),
    path("account/tokens/", tokens.token_list, name="account-tokens"),
    path("account/tokens/new/", tokens.token_new, name="account-token-new"),
    path("account/tokens/<key:token_id>/revoke/", tokens.token_revoke, name="account-token-revoke"),
    path("settings/sources/", settings.sources, name="settings-sources"),
    path("settings/sources/change/", settings.sources_change, name="settings-sources-change"),
    path("people/", people.people_list, name="people"),
    path("people/new/", people.person_new, name="person-new"),
    path("people/<key:user_id>/", people.person, name="person"),
    path("people/<key:user_id>/change/", people.person_change, name="person-change"),
    path("trail/", trail.trail, name="trail"),
]
