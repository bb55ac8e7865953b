"""The OpenAPI description: each path once, and the one shape of every error."""

from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

Endpoint = tuple[str, str, str, Any]


class ErrorBody(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="Stable; for programs.")
    message = serializers.CharField(help_text="For people: what happened and what to do next.")
    request_id = serializers.CharField(help_text="Name it when you ask support.")
    fields = serializers.DictField(  # type: ignore[assignment] # a field of that name, not the property
        child=serializers.ListField(child=serializers.CharField()), required=False, help_text="What is wrong, by field."
    )


class Error(serializers.Serializer[Any]):
    error = ErrorBody()


class Described(AutoSchema):
    """Adds the errors that any method may answer."""

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        common = {"401": "No valid API key and no session."}
        if self.view.permission_classes:
            common["403"] = "Known, but not allowed: the address is not confirmed, or a fresh password is needed."
        if "{" in self.path:
            common["404"] = "There is no such thing, or it belongs to somebody else."
        if self.method not in {"GET", "DELETE"} or self.path.endswith(("usage/", "export/", "rewards/")):
            common["400"] = "Some value cannot be taken. Nothing was changed."
        for status, words in common.items():
            bodies.setdefault(status, self._error(words))
        return dict(sorted(bodies.items()))

    def _error(self, words: str) -> dict[str, Any]:
        component = self.resolve_serializer(Error, "response")
        return {"content": {"application/json": {"schema": component.ref}}, "description": words}


def only_canonical(endpoints: list[Endpoint], **_: Any) -> list[Endpoint]:
    """Each path is served with and without its last slash, and described with it."""
    return [endpoint for endpoint in endpoints if endpoint[0].endswith("/")]
