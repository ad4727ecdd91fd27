"""What a process does with the machine it is on."""

from app.processors import was_given_a_socket


def test_an_address_is_not_taken_by_who_hands_it_over() -> None:
    """After USR2 the new master has the old one's sockets, under systemd those of its unit."""
    assert was_given_a_socket({"GUNICORN_PID": "7", "PORT": "8000"})
    assert was_given_a_socket({"LISTEN_FDS": "1"})
    assert not was_given_a_socket({"PORT": "8000"})
