"""Requests to the API without a server, and to a server of this process."""

import asyncio
import threading
import time
from contextlib import contextmanager

import httpx
import uvicorn

from retiarii.dashboard._api.api import create_api
from retiarii.dashboard._reading.reader import Reader


class ApiClient:
    """Sends requests to the API of a store, in this process.

    Args:
        store: The store.
    """

    def __init__(self, store):
        self.api = create_api(Reader(store))

    def request(self, method, path, **options):
        async def send():
            transport = httpx.ASGITransport(self.api, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def get(self, path, status=200, **params):
        """Return the answer as data; its status must be this one."""
        response = self.request("GET", path, params=params or None)
        assert response.status_code == status, response.text[:500]
        assert response.headers["content-type"] == "application/json"
        assert response.headers["x-content-type-options"] == "nosniff"
        return response.json()


@contextmanager
def serving(api):
    """A real server on loopback, in a thread; yields its address."""
    server = uvicorn.Server(uvicorn.Config(api, port=0, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
