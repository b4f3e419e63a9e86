import os
import re
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import httpx
import pytest
from written_experiments import write_experiment

from retiarii.dashboard import ServeOptions
from retiarii.dashboard import serve as run_dashboard
from retiarii.errors import ConfigError

TOKEN = "a token of this test"
SERVE = """
import sys
from retiarii.dashboard import ServeOptions, serve
from retiarii.storage import open_store
serve(open_store(sys.argv[1]), ServeOptions(host="0.0.0.0", port=0))
"""


@pytest.fixture(scope="module")
def own(module_store, serve):
    """The address of a dashboard on the loopback address."""
    write_experiment(module_store, experiment_id="mine", name="<script>alert(1)</script>")
    return serve(module_store).address


@pytest.fixture(scope="module")
def open_to_all(module_store):
    """The address of a dashboard that needs a token, and all that it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, module_store.url],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "RETIARII_DASHBOARD_TOKEN": TOKEN},
    )
    line = process.stdout.readline()
    address = re.search(r"http://\S+?(?=/\s)", line)[0]
    yield address
    process.terminate()
    process.wait(20)
    assert TOKEN not in line + process.stdout.read()
    process.stdout.close()


def test_a_foreign_page_can_neither_read_nor_write(own):
    get, post = own + "/api/experiments", own + "/api/experiments/mine/stop"
    assert httpx.get(get).status_code == 200
    for headers in (
        {"Host": "attacker.example"},  # DNS rebinding
        {"Host": "127.0.0.1.attacker.example"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},  # another port of this machine
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ):
        assert httpx.get(get, headers=headers).status_code in (403, 421), headers
    for origin in ("http://attacker.example", "null", "http://localhost:1", "file://", "http://[", own.upper() + "0"):
        assert httpx.post(post, headers={"Origin": origin}).status_code == 403, origin
    assert httpx.post(post, headers={"Origin": own}).status_code == 409  # it is not running: the request was read
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert httpx.get(own, headers=link).status_code == 200


@pytest.mark.parametrize("origin", ["http://attacker.example", None])
def test_a_foreign_page_cannot_open_a_websocket(own, origin):
    host = urlsplit(own).netloc
    lines = [
        "GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Origin: {origin or own}",
    ]
    with socket.create_connection(host.split(":"), timeout=10) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status = connection.recv(100).split()[1]
    assert status == (b"403" if origin else b"101")


def test_every_answer_has_the_headers_that_protect_it(open_to_all):
    def get(path):
        return httpx.get(open_to_all + path, headers={"Authorization": f"Bearer {TOKEN}"})

    page, data, missing = map(get, ("/", "/api/experiments", "/nothing/here"))
    for response in (page, data, missing):
        headers = response.headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "server" not in headers
        assert not [name for name in headers if name.startswith("access-control")]
    nonce = re.search(r"'nonce-([^']+)'", page.headers["Content-Security-Policy"])[1]
    scripts = re.findall(r"<script\b[^>]*>", page.text)
    assert scripts
    assert all(f'nonce="{nonce}"' in script for script in scripts)
    assert get("/").headers["Content-Security-Policy"] != page.headers["Content-Security-Policy"]


def test_a_header_of_a_proxy_changes_nothing(own):
    page = httpx.get(own, headers={"X-Forwarded-Prefix": "/elsewhere", "X-Forwarded-Host": "attacker.example"})
    assert "elsewhere" not in page.text
    assert "attacker.example" not in page.text


def test_large_requests_are_refused(own):
    post = own + "/api/experiments/mine/stop"
    assert httpx.post(post, content=b"x" * 1_000_001).status_code == 413
    without_length = httpx.put(own + "/api/experiments/mine/tags", content=(b"x" * 100_000 for _ in range(11)))
    assert without_length.status_code in (400, 413)
    assert httpx.get(own, headers={"X-Long": "x" * 20_000}).status_code == 431
    assert httpx.get(own + "/?" + "x" * 20_000).status_code == 431


def test_a_server_that_others_reach_needs_the_token(open_to_all):
    get = open_to_all + "/api/experiments"
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}, {"Cookie": "x=1"}):
        refused = httpx.get(get, headers=headers)
        assert refused.status_code == 401
        assert refused.json()["error"] == "RequestError"
    assert httpx.get(f"{get}?token={TOKEN}").status_code == 401
    assert httpx.get(get, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_browser_logs_in_with_the_token(open_to_all):
    with httpx.Client(base_url=open_to_all, headers={"Accept": "text/html"}) as client:
        form = client.get("/")
        assert form.status_code == 401
        assert "Token" in form.text
        assert "frame-ancestors 'none'" in form.headers["Content-Security-Policy"]
        assert "wrong" in client.post("/login", data={"token": "guess"}).text
        done = client.post("/login", data={"token": TOKEN})
        cookie = done.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN not in cookie
        assert client.get("/").status_code == 200


def test_a_stranger_who_guesses_is_kept_out_and_the_owner_is_not(open_to_all):
    stranger = httpx.HTTPTransport(local_address="127.0.0.9")
    with httpx.Client(base_url=open_to_all, transport=stranger) as client:
        for _ in range(20):
            client.post("/login", data={"token": "guess"})
        assert client.post("/login", data={"token": TOKEN}).status_code == 429
        assert client.get("/api/experiments", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 401
    owner = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{open_to_all}/api/experiments", headers=owner).status_code == 200


def test_an_address_that_cannot_be_used_is_an_error_that_says_why(module_store):
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1, port 0: "):
        run_dashboard(module_store, ServeOptions(host="192.0.2.1", port=0))
    with pytest.raises(ConfigError, match="port is 70000, expected a number from 0 to 65535"):
        run_dashboard(module_store, ServeOptions(port=70_000))
