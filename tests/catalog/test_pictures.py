"""Pictures of products: uploaded in the admin, shown small, upright and in WebP, and nothing else is let in."""

import re
import threading
import time
from io import BytesIO

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from catalog import pictures
from catalog.models import Product

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def written(size=(1600, 1200), kind="JPEG", **options):
    """A picture, red on its left half and blue on its right."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (size[0] // 2, 0, *size))
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def lamp(db):
    product = Product.objects.create(key="LAMP", name="Lamp")
    product.image.save("lamp.jpg", ContentFile(written()))
    return product


@pytest.fixture
def form(client, db):
    """Sends the admin's form with a picture; the product, as it is then, and the page."""
    client.force_login(User.objects.create_superuser("root"))

    def send(name, content, product=None):
        fields = {"key": "NEW", "name": "New", "active": "on", "price": "1"}
        address = "/admin/catalog/product/" + (f"{product.pk}/change/" if product else "add/")
        answer = client.post(address, {**fields, "image": SimpleUploadedFile(name, content)}, follow=True)
        return Product.objects.filter(name="New").first(), answer.content.decode()

    return send


def shown(client, page):
    """What a browser gets for each width of the first picture of a page."""
    found = re.search(r'srcset="([^"]+)"', client.get(page).content.decode())[1]
    return {int(width[:-1]): client.get(address) for address, width in map(str.split, found.split(", "))}


def opened(answer):
    return Image.open(BytesIO(answer.getvalue()))


@pytest.mark.parametrize("page", ["/products/", "/products/LAMP/"])
def test_an_uploaded_picture_is_shown_sized_down_in_webp(client, lamp, page):
    answers = shown(client, page)
    assert list(answers) == [240, 480, 960]
    for width, answer in answers.items():
        assert answer.status_code == 200
        assert answer["Content-Type"] == "image/webp"
        content = answer.getvalue()  # read once
        image = Image.open(BytesIO(content))
        assert (image.format, image.size) == ("WEBP", (width, width * 3 // 4))
        assert len(content) < len(written()) / 2
    assert client.get(lamp.image.url).status_code == 200, "an old link to the upload"


def test_a_picture_is_sent_so_that_it_cannot_run(client, lamp):
    answer = client.get(lamp.image.url)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["Content-Disposition"].startswith("inline")
    assert answer["Content-Type"] == "image/webp", "never the bytes that were uploaded"
    assert "max-age" in answer["Cache-Control"]


def test_a_phones_picture_stands_upright_and_does_not_say_where_it_was_taken(client, lamp):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "GPS of the home"  # turned by 90 degrees; the maker
    lamp.image.save("phone.jpg", ContentFile(written(exif=exif)))
    image = opened(client.get(lamp.image.url))
    assert image.size == (960, 1280)
    red, _, blue = image.convert("RGB").getpixel((480, 100))
    assert red > 200 > blue, "what was left is on top"
    assert not image.getexif()


def test_a_large_picture_of_a_phone_stands_upright_as_well(client, lamp):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    lamp.image.save("phone.png", ContentFile(written((8000, 5000), "PNG", exif=exif)))
    image = opened(client.get(lamp.image.url))
    assert image.size == (960, 1536)
    red, _, blue = image.convert("RGB").getpixel((480, 100))
    assert red > 200 > blue, "what was left is on top"


def test_a_picture_that_is_very_high_is_shown(client, lamp):
    lamp.image.save("ruler.png", ContentFile(written((40, 40_000), "PNG")))
    assert opened(client.get(lamp.image.url)).size == (16, 16_383)


def test_a_picture_of_long_ago_that_is_too_large_is_not_opened(client, lamp):
    lamp.image.save("wide.png", ContentFile(written((8000, 5100), "PNG")))
    assert client.get(lamp.image.url).status_code == 404


def test_pictures_are_opened_one_at_a_time_however_many_ask(lamp, monkeypatch):
    """Each may take some hundred megabytes."""
    open_now, most, shrink = [], [], pictures._shrunk

    def slowly(image, width):
        open_now.append(width)
        most.append(len(open_now))
        time.sleep(0.1)
        open_now.remove(width)
        return shrink(image, width)

    monkeypatch.setattr(pictures, "_shrunk", slowly)
    asked = [
        threading.Thread(target=pictures.sized, args=(lamp.image.storage, lamp.image.name, w)) for w in (240, 480, 960)
    ]
    for each in asked:
        each.start()
    for each in asked:
        each.join()
    assert most == [1, 1, 1]


def test_nobody_fills_the_disk_with_sizes_of_sizes(client, lamp, media):
    address = "/media/products/sizes/lamp.jpg/240.webp"
    assert client.get(address).status_code == 200
    made = sorted(media.rglob("*"))
    for name in ("sizes/lamp.jpg/240.webp", "./sizes/lamp.jpg/240.webp", "sizes//lamp.jpg/240.webp"):
        assert client.get(f"/media/products/sizes/{name}/480.webp").status_code == 404
        assert client.get(f"/media/products/{name}/960.webp").status_code in (200, 404)
    left = {path.name for path in media.rglob("*") if path not in made}
    assert left <= {"960.webp"}, "of the picture itself"


def test_a_small_picture_is_not_blown_up_and_keeps_what_is_transparent(client, lamp):
    out = BytesIO()
    Image.new("RGBA", (100, 50), (0, 0, 0, 0)).save(out, "PNG")
    lamp.image.save("small.png", ContentFile(out.getvalue()))
    image = opened(client.get(lamp.image.url))
    assert (image.size, image.mode) == ((100, 50), "RGBA")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("evil.svg", SVG, "valid image"),
        ("evil.png", SVG, "valid image"),
        ("evil.html", written(), "extension"),
        ("cut.jpg", written()[:5000], "no whole picture"),
        ("large.png", b"\x89PNG\r\n\x1a\n" + bytes(11 << 20), "valid image"),
        ("wide.png", written((8000, 5100), "PNG"), "8000 x 5100 pixels"),
        ("heavy.bmp", written((20, 20), "BMP"), "no whole picture in one of the formats"),
    ],
)
def test_what_is_no_sound_picture_is_refused(form, name, content, said):
    product, page = form(name, content)
    assert product is None
    assert said in page


def test_a_picture_of_too_many_megabytes_is_refused(form, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_MEGABYTES", 0)
    product, page = form("lamp.jpg", written())
    assert product is None
    assert "MB; up to 0 are taken" in page


def test_another_picture_takes_the_place_of_the_old_one_and_its_sizes(
    form, client, media, django_capture_on_commit_callbacks
):
    product, _ = form("first.jpg", written())
    client.get(product.image.url)
    with django_capture_on_commit_callbacks(execute=True):
        product, _ = form("second.jpg", written(), product)
    client.get(product.image.url)
    files = sorted(str(path.relative_to(media)) for path in media.rglob("*") if path.is_file())
    assert files == ["products/second.jpg", "products/sizes/second.jpg/960.webp"]
    with django_capture_on_commit_callbacks(execute=True):
        product.delete()
    assert not [path for path in media.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "address",
    [
        "/media/products/gone.jpg",
        "/media/products/sizes/lamp.jpg/241.webp",
        "/media/products/../../etc/passwd",
        "/media/products/%2e%2e/secret.jpg",
        "/media/products/broken.jpg",
        "/media/products/page.html",
    ],
)
def test_nothing_else_of_the_folder_is_sent(client, lamp, media, address):
    (media / "secret.jpg").write_bytes(written())
    (media / "products" / "broken.jpg").write_bytes(b"no picture")
    (media / "products" / "page.html").write_bytes(b"<script>")
    assert client.get(address).status_code == 404
