"""Places an order with the client that was generated from /openapi.json, and reads its history."""

import sys

from ledger_client import Client
from ledger_client.api.accounts import deposit, place_order, transactions
from ledger_client.models import Movement, NewOrder
from ledger_client.models.placed_order import PlacedOrder
from ledger_client.models.transaction_list import TransactionList

client = Client(base_url=sys.argv[1])
funded = deposit.sync("ann", client=client, body=Movement.from_dict({"asset": "USD", "amount": "20000.00"}), idempotency_key="d-1")
assert funded.amount == "20000", funded
wish = {"symbol": "AAPL", "side": "buy", "orderType": "limit", "quantity": 100, "price": "150.25"}
placed = place_order.sync("ann", client=client, body=NewOrder.from_dict(wish), idempotency_key="o-1", prefer="wait=30")
assert isinstance(placed, PlacedOrder), placed
assert placed.leaves_quantity == 100 and placed.avg_price is None, placed
history = transactions.sync("ann", client=client, min_position=placed.position, wait_ms=10000)
assert isinstance(history, TransactionList), history
types = [row.event["eventType"] for row in history.data]
assert types.count("OrderCreated") == 1, types
print(types)
