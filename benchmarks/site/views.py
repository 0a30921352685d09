from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class EmptyView(APIView):
    """What an API call costs before it does anything: the same middleware and the same authentication as the others."""

    permission_classes = [IsAuthenticated]

    def post(self, request: Request) -> Response:
        return Response({"asked": request.data})
