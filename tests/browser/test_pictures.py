"""A product's uploaded picture, as a browser shows it."""

from django.core.files.base import ContentFile

from catalog.models import Product
from tests.catalog.test_pictures import written


def test_an_uploaded_picture_is_seen_in_a_size_that_fits(page, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    Product.objects.create(key="LAMP", name="Lamp", category="Light", price=9).image.save(
        "lamp.jpg", ContentFile(written())
    )
    for address in ("/products/", "/products/LAMP/"):
        page.goto(address)
        picture = page.locator("img.picture").first
        picture.evaluate("each => each.decode()")
        assert picture.evaluate("each => each.naturalWidth") > 0
        used = picture.evaluate("each => each.currentSrc")
        assert used.endswith((".jpg/240.webp", ".jpg/480.webp", ".jpg/960.webp")), used
