"""What can be known of a URL before anything is connected."""

import pytest

from app.state.link import check_url


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6379/0",
        "rediss://:secret@[::1]:6379/0?ssl_cert_reqs=required",
        "redis://cache.example/0?socket_timeout=0.2",
        "unix:///run/redis.sock?db=3",
        "redis+cluster://127.0.0.1:7000",
    ],
)
def test_what_can_be_used(url: str) -> None:
    check_url(url)
    assert "://" in url


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cret@127.0.0.1:six/0",
        "redis://:s3cret@127.0.0.1:99999/0",
        "redis://:s3cret@127.0.0.1/0?socket_timeout=soon",
        "redis://:s3cret@127.0.0.1/0?sokcet_timeout=1",
        "redis+cluster://:s3cret@127.0.0.1:six",
    ],
)
def test_what_would_look_like_a_redis_that_is_away_for_ever(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        check_url(url)
    assert "s3cret" not in str(caught.value)
