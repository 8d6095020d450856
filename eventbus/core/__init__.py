"""The layers of `EventBus`, one concern each; see `state`."""
