"""The account as JSON. Every row is looked up through its owner; a foreign id is a 404."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import keys
from accounts.http import client_ip
from accounts.models import ApiKey, User
from billing import ledger
from console.api import cursors, shapes
from console.api.auth import IsVerified, ProvedAgain
from referrals import links, reports, rewards, withdrawals
from referrals.models import Referral, Reward, Withdrawal

CURSOR = OpenApiParameter("cursor", str, description="From `next` of the page before.")
LIMIT = OpenApiParameter("limit", int, description=f"1 to {cursors.MOST}, usually {cursors.USUAL}.")


def paged(name: str, row: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """The schema of one page of a list."""
    fields = {"results": row(many=True), "next": serializers.CharField(allow_null=True)}
    return inline_serializer(name, fields)


class AccountView(APIView):
    """Whoever calls sees their own account."""

    permission_classes = [IsVerified]

    @property
    def person(self) -> User:
        user = self.request.user
        assert isinstance(user, User)
        return user


class MeView(AccountView):
    @extend_schema(operation_id="me", responses=shapes.Person)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Who you are."""
        return Response(shapes.Person(self.person).data)


class BalanceView(AccountView):
    @extend_schema(operation_id="balance", responses=shapes.Balance)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Your credit now, by class, and what running calls hold of it."""
        return Response({"currency": "USD", **shapes.Balance(ledger.balances(self.person)).data})


class KeyListView(AccountView):
    @extend_schema(operation_id="keys_list", responses=shapes.Key(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Your keys, newest first, revoked ones too. Never the keys themselves."""
        return Response(shapes.Key(ApiKey.objects.of(self.person), many=True).data)

    @extend_schema(operation_id="keys_create", request=shapes.KeyInput, responses={201: shapes.NewKey})
    def post(self, request: Request) -> Response:
        """A new key. It is in this answer only; we keep a fingerprint."""
        given = shapes.KeyInput(data=request.data)
        given.is_valid(raise_exception=True)
        key, plain = keys.issue(user=self.person, **given.validated_data)
        return Response(shapes.NewKey(key, context={"plain": plain}).data, status=201)


class KeyView(AccountView):
    @extend_schema(operation_id="keys_read", responses=shapes.Key)
    def get(self, request: Request, public_id: str) -> Response:  # noqa: ARG002
        """One of your keys."""
        return Response(shapes.Key(self._key(public_id)).data)

    @extend_schema(operation_id="keys_revoke", responses=shapes.Key)
    def delete(self, request: Request, public_id: str) -> Response:  # noqa: ARG002
        """Revoke it; the key stays in the list."""
        keys.revoke(key=self._key(public_id), by=self.person, now=timezone.now())
        return Response(shapes.Key(self._key(public_id)).data)

    def _key(self, public_id: str) -> ApiKey:
        return get_object_or_404(ApiKey.objects.of(self.person), public_id=public_id)


class RewardsView(AccountView):
    @extend_schema(operation_id="referrals", responses=shapes.Rewards)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Your link, how many people came through it, and where the rewards are."""
        context = {
            "code": links.link_of(user=self.person).code,
            "people": Referral.objects.filter(referrer=self.person).count(),
        }
        return Response(shapes.Rewards(reports.pools(self.person), context=context).data)


class RewardListView(AccountView):
    @extend_schema(
        operation_id="rewards_list", parameters=[CURSOR, LIMIT], responses=paged("RewardPage", shapes.Reward)
    )
    def get(self, request: Request) -> Response:
        """What was earned, newest first, each under its policy version."""
        mine = Reward.objects.filter(referrer=self.person)
        rows, following = cursors.page(request, mine, order="created_at", tie="pk")
        return Response({"results": shapes.Reward(rows, many=True).data, "next": following})


class ConversionView(AccountView):
    @extend_schema(
        operation_id="conversions_create", request=shapes.ConversionInput, responses={201: shapes.Conversion}
    )
    def post(self, request: Request) -> Response:
        """Turn available rewards into credit. It cannot be taken back."""
        given = shapes.ConversionInput(data=request.data)
        given.is_valid(raise_exception=True)
        amount, client_id = given.validated_data["amount"], str(given.validated_data["client_id"])
        rewards.convert(user=self.person, amount=amount, client_id=client_id, now=timezone.now())
        return Response(shapes.Conversion({"client_id": client_id, "amount": amount}).data, status=201)


class WithdrawalListView(AccountView):
    def get_permissions(self) -> list[Any]:
        return [IsVerified(), *([ProvedAgain()] if self.request.method == "POST" else [])]

    @extend_schema(operation_id="withdrawals_list", responses=shapes.WithdrawalShape(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Your withdrawal requests, newest first."""
        rows = Withdrawal.objects.of(self.person).select_related("policy")
        return Response(shapes.WithdrawalShape(rows, many=True).data)

    @extend_schema(
        operation_id="withdrawals_create",
        request=shapes.WithdrawalInput,
        responses={201: shapes.WithdrawalShape, 403: OpenApiResponse(description="Needs a fresh browser session.")},
    )
    def post(self, request: Request) -> Response:
        """Ask for rewards to be paid out. By browser session only, the password typed within 5 minutes."""
        given = shapes.WithdrawalInput(data=request.data)
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        withdrawal = withdrawals.request(
            user=self.person,
            amount=asked["amount"],
            method=asked["method"],
            payee=asked["payee"],
            client_id=str(asked["client_id"]),
            now=timezone.now(),
            ip=client_ip(request._request),  # noqa: SLF001 DRF wraps Django's request
        )
        return Response(shapes.WithdrawalShape(withdrawal).data, status=201)


class WithdrawalView(AccountView):
    @extend_schema(operation_id="withdrawals_read", responses=shapes.WithdrawalShape)
    def get(self, request: Request, public_id: str) -> Response:  # noqa: ARG002
        """One withdrawal request and where it stands."""
        return Response(shapes.WithdrawalShape(_withdrawal(self.person, public_id)).data)


class WithdrawalCancelView(AccountView):
    @extend_schema(operation_id="withdrawals_cancel", request=None, responses=shapes.WithdrawalShape)
    def post(self, request: Request, public_id: str) -> Response:
        """Possible until it is approved; the amount is available again."""
        found = _withdrawal(self.person, public_id)
        ip = client_ip(request._request)  # noqa: SLF001 as above
        cancelled = withdrawals.cancel(withdrawal=found, by=self.person, now=timezone.now(), ip=ip)
        return Response(shapes.WithdrawalShape(cancelled).data)


def _withdrawal(person: User, public_id: str) -> Withdrawal:
    return get_object_or_404(Withdrawal.objects.of(person), public_id=public_id)
