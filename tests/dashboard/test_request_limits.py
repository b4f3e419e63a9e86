import asyncio

import httpx

from retiarii.dashboard._serving.request_limits import RequestBounds, RequestLimits


async def answering(scope, receive, send):
    await asyncio.sleep(0.01)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})


def statuses(bounds, clients):
    """Return the statuses of requests that clients, named by their addresses, send at the same time."""

    async def ask():
        app = RequestLimits(answering, bounds)

        async def one(client):
            transport = httpx.ASGITransport(app, client=(client, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as session:
                return (await session.get("/")).status_code

        return await asyncio.gather(*map(one, clients))

    return asyncio.run(ask())


def test_the_rate_is_bounded_for_a_client_and_for_all():
    each = RequestBounds(client_rate=0, client_burst=2)
    assert statuses(each, ["a", "a", "a", "b", "b"]) == [200, 200, 429, 200, 200]
    together = RequestBounds(total_rate=0, total_burst=3)
    assert statuses(together, ["a", "b", "c", "d"]) == [200, 200, 200, 429]


def test_open_requests_are_bounded_for_a_client_and_for_all():
    assert statuses(RequestBounds(client_open=1), ["a", "a", "b"]) == [200, 503, 200]
    assert statuses(RequestBounds(total_open=2), ["a", "b", "c"]) == [200, 200, 503]
