"""The catalog's endpoints: everybody reads what is for sale; writing takes the permissions of the model."""

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import status, viewsets
from rest_framework.exceptions import APIException
from rest_framework.permissions import DjangoModelPermissionsOrAnonReadOnly

from catalog import services
from catalog.bulk import BulkCreateMixin, documents_bulk_create
from catalog.errors import ProductInUse
from catalog.filters import ProductFilter
from catalog.models import Product
from catalog.selectors import products_for_sale
from catalog.strict import StrictModelSerializer


class Conflict(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class ProductSerializer(StrictModelSerializer):
    """What the shop sells."""

    create_row = staticmethod(services.create_product)
    update_row = staticmethod(services.update_product)

    class Meta:
        model = Product
        fields = ["key", "name", "category", "brand", "type", "price", "description", "active", "created", "updated"]
        read_only_fields = ["created", "updated"]


@extend_schema_view(
    list=extend_schema(summary="Products", description="What is for sale, narrowed down by the filters."),
    retrieve=extend_schema(summary="One product"),
    create=documents_bulk_create(ProductSerializer),
    update=extend_schema(summary="Replace a product"),
    partial_update=extend_schema(summary="Change a product"),
    destroy=extend_schema(
        summary="Delete a product that was never bought",
        responses={204: None, 409: OpenApiResponse(description="It was bought, and is kept.")},
    ),
)
class ProductViewSet(BulkCreateMixin, viewsets.ModelViewSet):
    serializer_class = ProductSerializer
    permission_classes = [DjangoModelPermissionsOrAnonReadOnly]
    queryset = Product.objects.all()
    filterset_class = ProductFilter
    lookup_field = "key"
    lookup_value_regex = r"[^\x00]+"  # keys may hold slashes

    def get_queryset(self) -> QuerySet[Product]:
        """Withdrawn products are seen with the permission to view products."""
        return Product.objects.all() if self.request.user.has_perm("catalog.view_product") else products_for_sale()

    def perform_destroy(self, product: Product) -> None:
        try:
            services.delete_product(product=product)
        except ProductInUse as error:
            raise Conflict(str(error)) from error
